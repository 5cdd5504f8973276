// SPDX-License-Identifier: Apache-2.0
#include "net/error.h"

#include <cerrno>

namespace sluice::net {

Error error_from_errno(int cause, Side side, std::string_view what) {
    switch (cause) {
        case ECONNRESET:
        case EPIPE:
        case ECONNABORTED: return {Errc::reset, side, what, cause};
        case ECONNREFUSED: return {Errc::refused, side, what, cause};
        case ENETUNREACH:
        case EHOSTUNREACH:
        case ENETDOWN:
        case EHOSTDOWN:
        case EACCES:
        case EPERM: return {Errc::unreachable, side, what, cause};
        case ETIMEDOUT: return {Errc::timed_out, side, what, cause};
        case EMFILE:
        case ENFILE:
        case ENOBUFS:
        case ENOMEM:
        case EADDRNOTAVAIL: return {Errc::overloaded, Side::self, what, cause};
        default: return {Errc::io_failed, side, what, cause};
    }
}

}  // namespace sluice::net
