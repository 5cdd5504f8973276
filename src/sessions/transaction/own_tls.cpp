// SPDX-License-Identifier: Apache-2.0
#include "sessions/transaction/own_tls.h"

#include <array>

#include "protocols/tls/client_hello.h"

namespace sluice::sessions {

net::Task<Result<void>> choose_identity(net::Stream& client, std::string& ahead, net::ca::LeafCache* leaves, OwnIdentity& identity,
                                        const Limits& limits) {
    if (!identity.name.empty()) co_return Result<void>{};
    identity.name = client.local().address.to_string();
    if (leaves == nullptr) co_return Result<void>{};
    // A place is not held by who says nothing.
    client.expires_in(limits.client_hello_wait);
    tls::ClientHello hello;
    std::array<char, 4096> room;
    while (!CO_TRY(tls::parse_client_hello(ahead, limits, hello))) {
        const std::size_t got = CO_TRY(co_await client.read_some(room));
        if (got == 0) co_return fail(Errc::closed, Side::client, "closed inside the ClientHello");
        ahead.append(room.data(), got);
    }
    client.expires_never();
    if (hello.server_name) identity.name = *hello.server_name;
    identity.leaf =
        CO_TRY(co_await leaves->get(identity.name, nullptr, hello.may_use_ecdsa() ? net::ca::KeyKind::ecdsa : net::ca::KeyKind::rsa));
    co_return Result<void>{};
}

}  // namespace sluice::sessions
