// SPDX-License-Identifier: Apache-2.0
#include "net/name_files.h"

#include "base/text.h"

#include <sys/stat.h>
#include <algorithm>
#include <fstream>
#include <iterator>

namespace sluice::net {

namespace {

constexpr std::size_t most_servers = 3;                      // as the system's resolver (resolv.conf(5), MAXNS)

// Calls `each` with the words of every line, without its comment.
template <class F>
void for_each_line(std::string_view text, std::string_view comment_marks, F&& each) {
    std::vector<std::string_view> words;
    for (std::string_view line : split(text, '\n')) {
        line = line.substr(0, line.find_first_of(comment_marks));
        words.clear();
        while (!line.empty()) {
            const std::size_t begin = line.find_first_not_of(" \t\r\f\v");
            if (begin == std::string_view::npos) break;
            line.remove_prefix(begin);
            const std::size_t end = std::min(line.find_first_of(" \t\r\f\v"), line.size());
            words.push_back(line.substr(0, end));
            line.remove_prefix(end);
        }
        if (!words.empty()) each(words);
    }
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void apply_option(std::string_view option, ResolvConf& conf) {
    const std::size_t colon = option.find(':');
    const std::string_view name = option.substr(0, colon);
    const auto value = colon == std::string_view::npos ? std::nullopt : parse_decimal<int>(option.substr(colon + 1));
    if (name == "rotate") conf.rotate = true;
    else if (name == "timeout" && value) conf.timeout = std::chrono::seconds(std::clamp(*value, 1, 30));
    else if (name == "attempts" && value) conf.attempts = std::clamp(*value, 1, 5);
}

}  // namespace

HostsMap parse_hosts(std::string_view text) {
    HostsMap hosts;
    for_each_line(text, "#", [&](const std::vector<std::string_view>& words) {
        const auto address = IpAddress::parse(words[0]);
        if (!address) return;
        for (std::size_t i = 1; i < words.size(); ++i) {
            std::string_view name = words[i];
            if (name.ends_with('.')) name.remove_suffix(1);
            auto& list = hosts[lower(name)];
            if (std::ranges::find(list, address->unmapped()) == list.end()) list.push_back(address->unmapped());
        }
    });
    return hosts;
}

ResolvConf parse_resolv_conf(std::string_view text) {
    ResolvConf conf;
    for_each_line(text, "#;", [&](const std::vector<std::string_view>& words) {
        if (words[0] == "nameserver" && words.size() > 1 && conf.servers.size() < most_servers) {
            // A zone ("fe80::1%eth0") is not understood, and such a server is passed over.
            if (const auto address = IpAddress::parse(words[1])) conf.servers.push_back(IpPort{*address, 53}.to_string());
        } else if (words[0] == "options") {
            for (std::size_t i = 1; i < words.size(); ++i) apply_option(words[i], conf);
        }
    });
    if (conf.servers.empty()) conf.servers.emplace_back("127.0.0.1:53");
    return conf;
}

NameFiles::Stamp NameFiles::stamp_of(const std::string& path) {
    struct stat status{};
    if (::stat(path.c_str(), &status) != 0) return {};
    return {{status.st_mtim.tv_sec, status.st_mtim.tv_nsec, static_cast<std::int64_t>(status.st_size),
             static_cast<std::int64_t>(status.st_ino), static_cast<std::int64_t>(status.st_dev)}};
}

bool NameFiles::read_if_changed() {
    const Stamp hosts = stamp_of(config_.hosts_path);
    const Stamp resolv_conf = stamp_of(config_.resolv_conf_path);
    if (read_ && hosts == hosts_ && resolv_conf == resolv_conf_) return false;
    if (!read_ || hosts != hosts_) data_.hosts = std::make_shared<const HostsMap>(parse_hosts(read_file(config_.hosts_path)));
    if (!read_ || resolv_conf != resolv_conf_) {
        data_.servers = parse_resolv_conf(read_file(config_.resolv_conf_path));
        if (!config_.servers.empty()) data_.servers.servers = config_.servers;
    }
    hosts_ = hosts;
    resolv_conf_ = resolv_conf;
    read_ = true;
    return true;
}

}  // namespace sluice::net
