//! What Windows writes as numbers, in words: kinds of logon, NTSTATUS and Kerberos codes, message ids.
//!
//! Sources: Microsoft's descriptions of events 4624, 4625, 4768, 4769, 4771 and 4776; [MS-ERREF] §2.3;
//! RFC 4120 §7.5.9.

/// The word for a `LogonType`; OCSF 3002 names them the same. `None` for numbers without a meaning.
pub(super) fn logon_type(number: u32) -> Option<&'static str> {
    Some(match number {
        0 => "system",
        2 => "interactive",
        3 => "network",
        4 => "batch",
        5 => "service",
        7 => "unlock",
        8 => "network_cleartext",
        9 => "new_credentials",
        10 => "remote_interactive",
        11 => "cached_interactive",
        12 => "cached_remote_interactive",
        13 => "cached_unlock",
        _ => return None,
    })
}

/// The meaning of an NTSTATUS code with which Windows refuses a logon.
pub(super) fn nt_status(code: u64) -> Option<&'static str> {
    Some(match code {
        0xc000_0017 | 0xc000_009a => "insufficient resources",
        0xc000_0022 => "access denied",
        0xc000_005e => "no logon servers available",
        0xc000_0064 => "user name does not exist",
        0xc000_006a => "wrong password",
        0xc000_006c => "password does not meet the policy",
        0xc000_006d => "bad user name or authentication information",
        0xc000_006e => "account restriction",
        0xc000_006f => "outside of authorized hours",
        0xc000_0070 => "unauthorized workstation",
        0xc000_0071 => "password expired",
        0xc000_0072 => "account disabled",
        0xc000_00dc => "the security account manager is in the wrong state",
        0xc000_00e5 => "internal error",
        0xc000_010b => "invalid logon type",
        0xc000_0133 => "clocks of client and domain controller are too far apart",
        0xc000_015b => "logon type not granted to the user",
        0xc000_018a | 0xc000_018b => "no trust account",
        0xc000_018c => "trust relationship between primary and trusted domain failed",
        0xc000_018d => "trust relationship of the computer failed",
        0xc000_0192 => "the Netlogon service is not started",
        0xc000_0193 => "account expired",
        0xc000_0198 => "account is an interdomain trust account",
        0xc000_0199 => "account is a computer account",
        0xc000_019a => "account is a server trust account",
        0xc000_0224 => "password must be changed",
        0xc000_0225 => "not found",
        0xc000_0234 => "account locked out",
        0xc000_02ee => "unexpected error",
        0xc000_0371 => "no secrets for the account in the local store",
        0xc000_0380 => "wrong smart card PIN",
        0xc000_0388 => "authentication downgrade detected",
        0xc000_0413 => "logon not allowed by the authentication firewall",
        0xc000_0418 => "NTLM is blocked",
        _ => return None,
    })
}

/// The meaning of a Kerberos error code.
pub(super) fn kerberos(code: u64) -> Option<&'static str> {
    Some(match code {
        0x1 => "client's entry in the database has expired",
        0x2 => "server's entry in the database has expired",
        0x3 => "protocol version not supported",
        0x6 => "user name does not exist",
        0x7 => "service name does not exist",
        0x8 => "several entries for the principal",
        0x9 => "client or service has no key",
        0xa => "ticket not eligible for postdating",
        0xb => "start time is later than end time",
        0xc => "denied by policy (workstation or hours)",
        0xd => "requested option not possible",
        0xe => "encryption type not supported",
        0xf => "checksum type not supported",
        0x10 => "kind of preauthentication not supported (smart card)",
        0x11 => "transited type not supported",
        0x12 => "account disabled, expired, locked out or outside of authorized hours",
        0x13 => "credentials of the service were revoked",
        0x14 => "ticket-granting ticket was revoked",
        0x15 => "client not yet valid",
        0x16 => "service not yet valid",
        0x17 => "password expired",
        0x18 => "wrong password",
        0x19 => "preauthentication required",
        0x1a => "service does not match the requested one",
        0x1b => "service principal valid for user-to-user only",
        0x1d => "a service is not available",
        0x1f => "integrity check failed",
        0x20 => "ticket expired",
        0x21 => "ticket not yet valid",
        0x22 => "replayed request",
        0x23 => "ticket is not for this service",
        0x24 => "ticket and authenticator do not match",
        0x25 => "clocks are too far apart",
        0x26 => "network address does not match the ticket's",
        0x28 => "invalid message type",
        0x29 => "message was modified",
        0x3c => "generic error",
        0x3e => "client is not trusted",
        0x44 => "wrong realm",
        _ => return None,
    })
}

/// The text of a message id such as `%%1842`, which the log leaves to its viewer.
pub(super) fn message(id: &str) -> Option<&'static str> {
    Some(match id {
        "%%1831" => "Anonymous",
        "%%1832" => "Identification",
        "%%1833" => "Impersonation",
        "%%1840" => "Delegation",
        "%%1842" => "Yes",
        "%%1843" => "No",
        "%%2304" => "An error occurred during logon",
        "%%2305" => "The specified user account has expired",
        "%%2306" => "The NetLogon component is not active",
        "%%2307" => "Account locked out",
        "%%2308" => "The user has not been granted the requested logon type at this machine",
        "%%2309" => "The specified account's password has expired",
        "%%2310" => "Account currently disabled",
        "%%2311" => "Account logon time restriction violation",
        "%%2312" => "User not allowed to logon at this computer",
        "%%2313" => "Unknown user name or bad password",
        _ => return None,
    })
}
