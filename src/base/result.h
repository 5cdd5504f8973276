// SPDX-License-Identifier: Apache-2.0
// Errors as values: what went wrong, and whose fault it is. The side picks the reply that a peer gets and the counter that goes up.
// Exceptions do not cross the edge of a folder.
#pragma once

#include <cstdint>
#include <expected>
#include <string_view>
#include <type_traits>
#include <utility>

namespace sluice {

// Who misbehaved: the peer that asks, the peer that answers, or Sluice and its machine.
enum class Side : std::uint8_t { client, server, self };

enum class Errc : std::uint8_t {
    closed,                  // the peer closed in an orderly way before it was done
    reset,                   // the peer (or the network) broke the connection
    timed_out,               // a limit of `Limits` ran out
    cancelled,               // the operation was ended from our side: drain, reload, the other peer left
    io_failed,               // the system call failed: see `cause`
    unresolved,              // no address for a name
    refused,                 // nothing listens there
    unreachable,             // no route
    overloaded,              // a bound of ours is reached
    malformed,               // the bytes break the protocol
    too_large,               // the bytes exceed a bound
    unsupported,             // valid, but not something that Sluice does
    refused_by_policy,       // a rule or a built-in check said no
    tls_failed,              // a TLS handshake or record; `cause`: the alert that the peer sent, or 0
};

// `what`: a literal that a person can act on; `cause`: errno or a library's code, 0 if there is none.
struct [[nodiscard]] Error {
    Errc code;
    Side side;
    std::string_view what;
    int cause = 0;
};

template <class T>
using Result = std::expected<T, Error>;

inline std::unexpected<Error> fail(Errc code, Side side, std::string_view what, int cause = 0) {
    return std::unexpected(Error{code, side, what, cause});
}

std::string_view to_string(Errc code);
std::string_view to_string(Side side);

namespace detail {
template <class T>
T unwrap(std::expected<T, Error>&& result) {
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}
}  // namespace detail

}  // namespace sluice

// The value of a Result, or leave the function (or coroutine) with its error. A statement expression: `auto x = TRY(f());`
#define TRY(expression) \
    ({ \
        auto try_result_ = (expression); \
        if (!try_result_) return std::unexpected(try_result_.error()); \
        ::sluice::detail::unwrap(std::move(try_result_)); \
    })
#define CO_TRY(expression) \
    ({ \
        auto try_result_ = (expression); \
        if (!try_result_) co_return std::unexpected(try_result_.error()); \
        ::sluice::detail::unwrap(std::move(try_result_)); \
    })
