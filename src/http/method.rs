//! Request methods.

use std::fmt;

macro_rules! methods {
    ($($name:ident $token:literal,)*) => {
        /// A method of the IANA registry; the token of any other one is answered 501.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Method {
            $(#[doc = concat!("`", $token, "`")] $name,)*
        }

        impl Method {
            /// All of them, the usual ones first.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the method with this token; upper and lower case differ (RFC 9110, section 9.1).
            #[must_use]
            pub fn from_token(token: &str) -> Option<Self> {
                match token {
                    $($token => Some(Self::$name),)*
                    _ => None,
                }
            }

            /// Returns the token as it stands in a request line.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $token,)*
                }
            }
        }
    };
}

methods! {
    Get "GET",
    Post "POST",
    Head "HEAD",
    Put "PUT",
    Delete "DELETE",
    Options "OPTIONS",
    Patch "PATCH",
    Trace "TRACE",
    Connect "CONNECT",
    Query "QUERY",
    Acl "ACL",
    BaselineControl "BASELINE-CONTROL",
    Bind "BIND",
    CheckIn "CHECKIN",
    CheckOut "CHECKOUT",
    Copy "COPY",
    Label "LABEL",
    Link "LINK",
    Lock "LOCK",
    Merge "MERGE",
    MkActivity "MKACTIVITY",
    MkCalendar "MKCALENDAR",
    MkCol "MKCOL",
    MkRedirectRef "MKREDIRECTREF",
    MkWorkspace "MKWORKSPACE",
    Move "MOVE",
    OrderPatch "ORDERPATCH",
    Pri "PRI",
    PropFind "PROPFIND",
    PropPatch "PROPPATCH",
    Rebind "REBIND",
    Report "REPORT",
    Search "SEARCH",
    Unbind "UNBIND",
    UnCheckOut "UNCHECKOUT",
    Unlink "UNLINK",
    Unlock "UNLOCK",
    Update "UPDATE",
    UpdateRedirectRef "UPDATEREDIRECTREF",
    VersionControl "VERSION-CONTROL",
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_name_their_methods_and_case_matters() {
        for &method in Method::ALL {
            assert_eq!(Method::from_token(method.as_str()), Some(method));
            assert_eq!(Method::from_token(&method.as_str().to_lowercase()), None);
        }
        assert_eq!(Method::from_token("BREW"), None);
        assert_eq!(Method::from_token(""), None);
    }
}
