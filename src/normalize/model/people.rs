//! Who did something, from where, and what became of an account.

use super::Text;

/// A person or a machine with an account.
#[derive(Clone, Debug, Default)]
pub(in crate::normalize) struct User<'a> {
    pub(in crate::normalize) uid: Text<'a>,
    pub(in crate::normalize) name: Text<'a>,
    /// An address, or what the vendor calls one.
    pub(in crate::normalize) email: Text<'a>,
    pub(in crate::normalize) full_name: Text<'a>,
}

/// Who caused an event, and from where.
#[derive(Clone, Debug, Default)]
pub(in crate::normalize) struct Origin<'a> {
    pub(in crate::normalize) user: User<'a>,
    /// An IP address, or other text that stands for one.
    pub(in crate::normalize) address: Text<'a>,
    pub(in crate::normalize) user_agent: Text<'a>,
    /// Name or code of a country.
    pub(in crate::normalize) country: Text<'a>,
    pub(in crate::normalize) city: Text<'a>,
}

/// A login, or the end of one.
#[derive(Debug, Default)]
pub(in crate::normalize) struct Login<'a> {
    /// Whether it succeeded, where the vendor tells.
    pub(in crate::normalize) success: Option<bool>,
    /// It ends a session.
    pub(in crate::normalize) end: bool,
    /// Whether a second factor was asked for, where the vendor tells.
    pub(in crate::normalize) mfa: Option<bool>,
    /// Who logs in.
    pub(in crate::normalize) user: User<'a>,
    /// What they log in to; else the vendor's own service.
    pub(in crate::normalize) service: Text<'a>,
    pub(in crate::normalize) strategy: Text<'a>,
    pub(in crate::normalize) reason: Text<'a>,
}

/// A change of a user; who made it is the event's origin.
#[derive(Debug, Default)]
pub(in crate::normalize) struct Account<'a> {
    /// What was done, where the type tells.
    pub(in crate::normalize) change: Option<AccountChange>,
    /// Whether it was done; where the vendor does not tell, it was.
    pub(in crate::normalize) success: Option<bool>,
    /// The vendor tells a result, but not one that says so.
    pub(in crate::normalize) unclear: bool,
    /// The account.
    pub(in crate::normalize) user: User<'a>,
    pub(in crate::normalize) first_name: Text<'a>,
    pub(in crate::normalize) last_name: Text<'a>,
    pub(in crate::normalize) notification_email: Text<'a>,
    pub(in crate::normalize) role: Text<'a>,
    /// The group, team or organisation that it is about.
    pub(in crate::normalize) group: Text<'a>,
    pub(in crate::normalize) strategy: Text<'a>,
    pub(in crate::normalize) reason: Text<'a>,
}

/// What was done with an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::normalize) enum AccountChange {
    Created,
    Updated,
    Deleted,
    Enabled,
    Disabled,
    Locked,
    Unlocked,
    PasswordChanged,
    PasswordReset,
    MfaEnabled,
    MfaDisabled,
    /// It may do more than before.
    RoleGranted,
    /// It may do less than before.
    RoleRevoked,
}

/// Something that somebody did to something; who did it is the event's origin.
#[derive(Debug, Default)]
pub(in crate::normalize) struct Activity<'a> {
    /// What was done, where the type tells.
    pub(in crate::normalize) effect: Option<Effect>,
    /// Whether it was done, where the vendor tells.
    pub(in crate::normalize) success: Option<bool>,
    /// The vendor tells a result, but not one that says so.
    pub(in crate::normalize) unclear: bool,
    /// What it was done to.
    pub(in crate::normalize) object_uid: Text<'a>,
    pub(in crate::normalize) object_name: Text<'a>,
    pub(in crate::normalize) object_type: Text<'a>,
    /// Whom it was done to.
    pub(in crate::normalize) target: User<'a>,
    pub(in crate::normalize) reason: Text<'a>,
}

/// What was done to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::normalize) enum Effect {
    Created,
    Read,
    Updated,
    Deleted,
}

impl<'a> User<'a> {
    /// Someone of whom only a name is known.
    pub(in crate::normalize) fn named(name: Text<'a>) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// Someone whose name is an e-mail address.
    pub(in crate::normalize) fn addressed(name: Text<'a>) -> Self {
        Self {
            email: name.clone(),
            ..Self::named(name)
        }
    }

    /// The best single word for them.
    pub(in crate::normalize) fn word(&self) -> Text<'a> {
        let words = [&self.name, &self.email, &self.uid, &self.full_name];
        words.into_iter().flatten().next().cloned()
    }

    /// Nothing is known of them.
    pub(in crate::normalize) fn is_unknown(&self) -> bool {
        self.word().is_none()
    }
}

/// The word of ECS for an outcome.
pub(in crate::normalize) fn outcome_word(success: Option<bool>) -> &'static str {
    match success {
        Some(true) => "success",
        Some(false) => "failure",
        None => "unknown",
    }
}
