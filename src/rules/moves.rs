//! The moves that rules are made of: to find, put, take away and keep values below a node.
//!
//! Recursion is as deep as a pointer has steps, which its reader bounds.

use std::borrow::Cow;

use super::json::{self, EACH};
use super::node::{Member, Node, Opening, TooWide};
use crate::settings::Pointer;

/// What lies below: taken from the opened part, or made of the text.
pub(super) fn get<'a>(node: &Node<'a>, steps: &[String]) -> Option<Node<'a>> {
    let Some((step, rest)) = steps.split_first() else {
        return Some(node.clone());
    };
    match node {
        Node::Text(Cow::Borrowed(text)) => {
            Some(Node::Text(Cow::Borrowed(json::below(text, steps)?)))
        }
        Node::Text(Cow::Owned(text)) => {
            let found = json::below(text, steps)?.to_owned();
            Some(Node::Text(Cow::Owned(found)))
        }
        Node::Object(members) => {
            let member = members.iter().find(|member| member.name == *step)?;
            get(&member.value, rest)
        }
        Node::Array(items) => get(items.get(json::index(step)?)?, rest),
    }
}

/// Puts a value, with objects on the way where nothing is; gives it back where that cannot be.
pub(super) fn put<'a>(
    node: &mut Node<'a>,
    steps: &[String],
    value: Node<'a>,
    opening: &mut Opening,
) -> Result<Option<Node<'a>>, TooWide> {
    let Some((step, rest)) = steps.split_first() else {
        *node = value;
        return Ok(None);
    };
    node.open(opening)?;
    match node {
        Node::Object(members) => {
            if let Some(member) = members.iter_mut().find(|member| member.name == *step) {
                return put(&mut member.value, rest, value, opening);
            }
            let mut inner = Node::Object(Vec::new());
            let unput = put(&mut inner, rest, value, opening)?;
            if unput.is_none() {
                members.push(Member::new(step, inner));
            }
            Ok(unput)
        }
        Node::Array(items) => {
            let item = json::index(step).and_then(|index| items.get_mut(index));
            match item {
                Some(item) => put(item, rest, value, opening),
                None => Ok(Some(value)),
            }
        }
        // Null is as good as nothing; any other scalar is not given up for it.
        Node::Text(text) if text == "null" => {
            let mut object = Node::Object(Vec::new());
            let unput = put(&mut object, steps, value, opening)?;
            if unput.is_none() {
                *node = object;
            }
            Ok(unput)
        }
        Node::Text(_) => Ok(Some(value)),
    }
}

/// Members only: an element that leaves its array would give the others new indices.
pub(super) fn rename(
    root: &mut Node<'_>,
    from: &Pointer,
    to: &Pointer,
    opening: &mut Opening,
) -> Result<(), TooWide> {
    // Nothing is taken from its place before it is certain to have another.
    if !can_put(root, &to.0, opening)? {
        return Ok(());
    }
    if let Some(value) = take(root, &from.0, opening)? {
        put(root, &to.0, value, opening)?;
        opening.changed = true;
    }
    Ok(())
}

/// Whether [`put`] would succeed.
fn can_put(node: &mut Node<'_>, steps: &[String], opening: &mut Opening) -> Result<bool, TooWide> {
    let Some((step, rest)) = steps.split_first() else {
        return Ok(true);
    };
    node.open(opening)?;
    let is_null = node.text() == "null";
    let is_object = matches!(node, Node::Object(_));
    match below(node, step).into_iter().next() {
        Some(value) => can_put(value, rest, opening),
        None => Ok(is_object || is_null),
    }
}

/// Takes a member out of its object.
fn take<'a>(
    node: &mut Node<'a>,
    steps: &[String],
    opening: &mut Opening,
) -> Result<Option<Node<'a>>, TooWide> {
    let Some((step, rest)) = steps.split_first() else {
        return Ok(None);
    };
    node.open(opening)?;
    if let (Node::Object(members), true) = (&mut *node, rest.is_empty()) {
        let place = members.iter().position(|member| member.name == *step);
        return Ok(place.map(|place| members.remove(place).value));
    }
    match below(node, step).into_iter().next() {
        Some(value) => take(value, rest, opening),
        None => Ok(None),
    }
}

/// Takes away every value that the steps lead to.
pub(super) fn remove(
    node: &mut Node<'_>,
    steps: &[String],
    opening: &mut Opening,
) -> Result<(), TooWide> {
    let Some((step, rest)) = steps.split_first() else {
        return Ok(());
    };
    node.open(opening)?;
    let last = rest.is_empty();
    let mut gone = false;
    match node {
        Node::Object(members) if last => {
            let before = members.len();
            members.retain(|member| member.name != *step && step != EACH);
            gone = members.len() < before;
        }
        Node::Array(items) if last && step == EACH => {
            gone = !items.is_empty();
            items.clear();
        }
        Node::Array(items) if last => {
            if let Some(index) = json::index(step).filter(|index| *index < items.len()) {
                items.remove(index);
                gone = true;
            }
        }
        Node::Object(_) | Node::Array(_) => {
            for value in below(node, step) {
                remove(value, rest, opening)?;
            }
        }
        Node::Text(_) => {}
    }
    opening.changed |= gone;
    Ok(())
}

/// Takes away everything that none of the paths leads to, or through.
pub(super) fn keep(
    node: &mut Node<'_>,
    paths: &[&[String]],
    opening: &mut Opening,
) -> Result<(), TooWide> {
    if paths.iter().any(|steps| steps.is_empty()) {
        return Ok(());
    }
    node.open(opening)?;
    let through = |name: &str| -> Vec<&[String]> {
        let split = paths.iter().filter_map(|steps| steps.split_first());
        let here = split.filter(|(step, _)| *step == name || *step == EACH);
        here.map(|(_, rest)| rest).collect()
    };
    let before;
    let after = match node {
        Node::Object(members) => {
            before = members.len();
            members.retain(|member| !through(&member.name).is_empty());
            for member in members.iter_mut() {
                keep(&mut member.value, &through(&member.name), opening)?;
            }
            members.len()
        }
        Node::Array(items) => {
            before = items.len();
            let mut kept = Vec::new();
            for (index, mut item) in std::mem::take(items).into_iter().enumerate() {
                let paths = through(&index.to_string());
                if !paths.is_empty() {
                    keep(&mut item, &paths, opening)?;
                    kept.push(item);
                }
            }
            *items = kept;
            items.len()
        }
        // A path leads on where nothing is: what stands there is not on any of them.
        Node::Text(text) => {
            opening.changed |= text != "null";
            *text = Cow::Borrowed("null");
            return Ok(());
        }
    };
    opening.changed |= after < before;
    Ok(())
}

/// Replaces every value that the steps lead to by what `make` makes of it, if anything.
pub(super) fn each<'a>(
    node: &mut Node<'a>,
    steps: &[String],
    opening: &mut Opening,
    make: &mut dyn FnMut(&Node<'a>) -> Option<Node<'a>>,
) -> Result<(), TooWide> {
    let Some((step, rest)) = steps.split_first() else {
        if let Some(made) = make(node) {
            *node = made;
            opening.changed = true;
        }
        return Ok(());
    };
    node.open(opening)?;
    for value in below(node, step) {
        each(value, rest, opening, make)?;
    }
    Ok(())
}

/// The values that one step leads to.
fn below<'n, 'a>(node: &'n mut Node<'a>, step: &str) -> Vec<&'n mut Node<'a>> {
    match node {
        Node::Object(members) => {
            let named = members
                .iter_mut()
                .filter(|m| m.name == *step || step == EACH);
            named.map(|member| &mut member.value).collect()
        }
        Node::Array(items) => {
            let index = json::index(step);
            let named = items.iter_mut().enumerate();
            let named = named.filter(|(at, _)| Some(*at) == index || step == EACH);
            named.map(|(_, item)| item).collect()
        }
        Node::Text(_) => Vec::new(),
    }
}
