// SPDX-License-Identifier: Apache-2.0
// /etc/hosts and /etc/resolv.conf, read off the workers into values that never change.
#pragma once

#include "base/ip.h"

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sluice::net {

struct NameHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view name) const noexcept { return std::hash<std::string_view>{}(name); }
};
template <class T>
using NameMap = std::unordered_map<std::string, T, NameHash, std::equal_to<>>;

using HostsMap = NameMap<std::vector<IpAddress>>;                    // names in lower case

// hosts(5): an address and its names a line, `#` begins a comment. What is not that is passed over.
HostsMap parse_hosts(std::string_view text);

struct ResolvConf {
    std::vector<std::string> servers;  // as ares_set_servers_ports_csv takes them: "192.0.2.1:53", "[::1]:53"
    std::chrono::milliseconds timeout{1'500};  // of the first round; it doubles
    int attempts = 3;
    bool rotate = false;
    friend bool operator==(const ResolvConf&, const ResolvConf&) = default;
};

// resolv.conf(5). No search domains: names are taken as they are. Without a name server: the one on this host.
ResolvConf parse_resolv_conf(std::string_view text);

struct ResolverConfig {
    std::string hosts_path = "/etc/hosts";
    std::string resolv_conf_path = "/etc/resolv.conf";
    std::vector<std::string> servers;  // "address:port": in place of those of resolv.conf
};

// What a resolver works with.
struct NameData {
    std::shared_ptr<const HostsMap> hosts;
    ResolvConf servers;
};

// Reads, and notices changes by modification time, size and inode. Belongs to one thread, which may block.
class NameFiles {
public:
    explicit NameFiles(const ResolverConfig& config) : config_(config) {}
    // True: `data` is new. The first call always is.
    bool read_if_changed();
    const NameData& data() const { return data_; }

private:
    struct Stamp {
        std::array<std::int64_t, 5> values{-1, -1, -1, -1, -1};
        friend bool operator==(const Stamp&, const Stamp&) = default;
    };
    static Stamp stamp_of(const std::string& path);
    ResolverConfig config_;
    NameData data_;
    Stamp hosts_;
    Stamp resolv_conf_;
    bool read_ = false;
};

}  // namespace sluice::net
