// SPDX-License-Identifier: Apache-2.0
#include "sessions/transaction/own_tls.h"

#include <array>

namespace sluice::sessions {

net::Task<Result<tls::ClientHello>> read_client_hello(net::Stream& client, std::string& ahead, Limits::Duration within,
                                                      const Limits& limits) {
    client.expires_in(within);  // a place is not held by who says nothing
    tls::ClientHello hello;
    std::array<char, 4096> room;
    while (!CO_TRY(tls::parse_client_hello(ahead, limits, hello))) {
        const std::size_t got = CO_TRY(co_await client.read_some(room));
        if (got == 0) co_return fail(Errc::closed, Side::client, "closed inside the ClientHello");
        ahead.append(room.data(), got);
    }
    client.expires_never();
    co_return hello;
}

net::Task<Result<void>> choose_identity(const net::Stream& client, const tls::ClientHello* hello, net::ca::LeafCache* leaves,
                                        OwnIdentity& identity) {
    if (!identity.name.empty()) co_return Result<void>{};
    const bool has_leaf = hello != nullptr && leaves != nullptr;
    identity.name = has_leaf && hello->server_name ? *hello->server_name : client.local().address.to_string();
    if (!has_leaf) co_return Result<void>{};
    identity.leaf =
        CO_TRY(co_await leaves->get(identity.name, nullptr, hello->may_use_ecdsa() ? net::ca::KeyKind::ecdsa : net::ca::KeyKind::rsa));
    co_return Result<void>{};
}

}  // namespace sluice::sessions
