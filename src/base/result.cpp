// SPDX-License-Identifier: Apache-2.0
#include "base/result.h"

namespace sluice {

std::string_view to_string(Errc code) {
    switch (code) {
        case Errc::closed: return "closed";
        case Errc::reset: return "reset";
        case Errc::timed_out: return "timed out";
        case Errc::cancelled: return "cancelled";
        case Errc::io_failed: return "input or output failed";
        case Errc::unresolved: return "unresolved";
        case Errc::refused: return "refused";
        case Errc::unreachable: return "unreachable";
        case Errc::overloaded: return "overloaded";
        case Errc::malformed: return "malformed";
        case Errc::too_large: return "too large";
        case Errc::unsupported: return "unsupported";
        case Errc::refused_by_policy: return "refused by policy";
        case Errc::tls_failed: return "TLS failed";
    }
    return "unknown";
}

std::string_view to_string(Side side) {
    switch (side) {
        case Side::client: return "client";
        case Side::server: return "server";
        case Side::self: return "self";
    }
    return "unknown";
}

}  // namespace sluice
