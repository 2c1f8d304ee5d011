//! The closed vocabularies of aggregate reports, and the words software uses instead.

use serde::{Deserialize, Serialize};

/// Makes an enum of words: how each is written, and what else is taken for it.
macro_rules! words {
    ($(#[$about:meta])* $name:ident {
        $($(#[$meaning:meta])* $variant:ident = $written:literal $(| $alias:literal)*,)*
    }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "kebab-case")]
        pub enum $name {
            $($(#[$meaning])* $variant,)*
        }

        impl $name {
            /// As the standard writes it.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $written,)*
                }
            }

            /// Reads a word in lower case.
            pub(super) fn read(word: &str) -> Option<Self> {
                match word {
                    $($written $(| $alias)* => Some(Self::$variant),)*
                    _ => None,
                }
            }
        }
    };
}

words! {
    /// What is asked for, or was done.
    #[derive(Default)]
    Disposition {
        /// Nothing.
        #[default]
        None = "none" | "accept" | "delivered",
        /// It passed, and there is a policy that would have asked for more (RFC 9990).
        Pass = "pass",
        /// It was treated as suspicious.
        Quarantine = "quarantine",
        /// It was refused.
        Reject = "reject",
    }
}

words! {
    /// How near an authenticated domain must be to the visible one.
    Alignment {
        /// The same organisation.
        Relaxed = "r" | "relaxed",
        /// The same domain.
        Strict = "s" | "strict",
    }
}

words! {
    /// How the policy record was found.
    Discovery {
        /// By the public suffix list (RFC 7489).
        Psl = "psl",
        /// By walking up the tree (RFC 9989).
        TreeWalk = "treewalk",
    }
}

words! {
    /// Why a policy was not applied.
    OverrideKind {
        /// Local policy exempted the message.
        LocalPolicy = "local_policy",
        /// It came over a mailing list.
        MailingList = "mailing_list",
        /// Something else; see the comment.
        Other = "other",
        /// The record says `t=y` (RFC 9990).
        PolicyTestMode = "policy_test_mode",
        /// It came over a known forwarder.
        TrustedForwarder = "trusted_forwarder",
        /// It was forwarded (RFC 7489).
        Forwarded = "forwarded",
        /// It was exempt by `pct` (RFC 7489).
        SampledOut = "sampled_out",
    }
}

words! {
    /// What DKIM said (RFC 8601 §2.7.1).
    #[derive(Default)]
    DkimOutcome {
        /// Not signed.
        #[default]
        None = "none",
        /// Authentic.
        Pass = "pass",
        /// Not authentic.
        Fail = "fail" | "hardfail" | "invalid",
        /// Authentic, but not acceptable here.
        Policy = "policy",
        /// It could not be checked: the signature is no signature.
        Neutral = "neutral",
        /// It could not be checked now.
        TempError = "temperror" | "temp_error" | "tempfail",
        /// It can never be checked.
        PermError = "permerror" | "perm_error" | "permfail" | "error",
    }
}

words! {
    /// Where the domain that SPF checked came from.
    SpfScope {
        /// The envelope sender.
        MailFrom = "mfrom" | "mailfrom",
        /// The greeting (RFC 7489).
        Helo = "helo",
    }
}

words! {
    /// What SPF said (RFC 8601 §2.7.2).
    #[derive(Default)]
    SpfOutcome {
        /// No record.
        #[default]
        None = "none",
        /// The record says nothing about this machine.
        Neutral = "neutral",
        /// This machine may.
        Pass = "pass",
        /// This machine may not.
        Fail = "fail" | "hardfail",
        /// This machine probably may not.
        SoftFail = "softfail",
        /// This machine may, but that is not acceptable here.
        Policy = "policy",
        /// It could not be checked now. RFC 7489 notes that many say "unknown".
        TempError = "temperror" | "temp_error" | "unknown",
        /// The record is broken. RFC 7489 notes that many say "error".
        PermError = "permerror" | "perm_error" | "error" | "invalid",
    }
}
