// SPDX-License-Identifier: Apache-2.0
#include "sessions/transaction/proxy_header.h"

#include <algorithm>
#include <array>

#include "net/proxy_protocol.h"

namespace sluice::sessions {

net::Task<Result<std::optional<std::string>>> read_proxy_header(net::Stream& stream, net::ConnectionPermit& permit,
                                                                std::span<const IpNetwork> proxies, const Limits& limits) {
    std::string read;
    if (std::ranges::none_of(proxies, [&](const IpNetwork& network) { return network.contains(stream.peer().address); })) co_return read;
    std::array<char, 1024> room;
    stream.expires_in(limits.proxy_header);
    for (;;) {
        const auto header = CO_TRY(net::parse_proxy_header(read));
        if (header) {
            if (header->source) {
                stream.set_peer({header->source->address.unmapped(), header->source->port});
                permit.set_client(stream.peer().address);
            }
            stream.expires_never();
            co_return read.substr(header->consumed);
        }
        const auto got = co_await stream.read_some(room);
        if (got && *got > 0) {
            read.append(room.data(), *got);
            continue;
        }
        const bool is_late = !got && got.error().code == Errc::timed_out;
        if (read.empty() && !is_late) co_return std::nullopt;
        if (got) co_return fail(Errc::closed, Side::client, "closed inside the PROXY header");
        co_return fail(got.error().code, Side::client, is_late ? "the PROXY header did not come in time" : got.error().what);
    }
}

}  // namespace sluice::sessions
