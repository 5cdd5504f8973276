// SPDX-License-Identifier: Apache-2.0
// The built-in `protect-host`: whether an address may be dialled at all. It is asked at every dial, for every address, before any rule, so that
// no rule lifts it. Whoever dials an address that comes from the configuration, or an active-mode data connection back to the control
// connection's own peer, does not ask.
#pragma once

#include "base/ip.h"

#include <optional>
#include <string_view>
#include <vector>

namespace sluice::policy {

class ProtectHost {
public:
    struct Self {
        std::vector<IpAddress> interface_addresses;  // see interface_addresses()
        std::vector<IpPort> listeners;  // Sluice's own; one on 0.0.0.0 or [::] listens on every address of this machine
    };

    explicit ProtectHost(Self self);

    // nullopt: may be dialled. Otherwise why not, a literal: "loopback", "a listener of Sluice"… IPv4 addresses inside IPv6 ones (mapped,
    // compatible, NAT64, 6to4, Teredo, ISATAP) are judged as well. A client that is itself on loopback may reach loopback, and nothing else of
    // what is refused.
    std::optional<std::string_view> refuses(const IpAddress& client, const IpPort& server) const;

private:
    std::optional<std::string_view> judge(const IpAddress& address, std::uint16_t port, bool client_on_loopback) const;
    bool is_local(const IpAddress& address) const;

    std::vector<IpAddress> interface_addresses_;  // sorted
    std::vector<IpPort> listeners_;
};

// The addresses of all interfaces of this machine, down or up. Empty if the kernel does not say.
std::vector<IpAddress> interface_addresses();

}  // namespace sluice::policy
