// SPDX-License-Identifier: Apache-2.0
// PORT, EPRT, 227 and 229, and USER's server: what was read is within bounds, and what is written anew reads the same again.
#include "protocols/ftp/data_address.h"

#include <algorithm>
#include <cstdlib>

#include "base/text.h"
#include "protocols/ftp/login.h"
#include "protocols/ftp/path.h"

using namespace sluice;
using namespace sluice::ftp;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

template <class T>
void require_side(const Result<T>& got, Side side) {
    require(got || (got.error().side == side && (got.error().code == Errc::malformed || got.error().code == Errc::unsupported)));
}

void check_addresses(std::string_view text) {
    const auto port = parse_port(text);
    const auto eprt = parse_eprt(text);
    const auto passive = parse_passive_reply(text);
    const auto extended = parse_extended_passive_reply(text);
    require_side(port, Side::client);
    require_side(eprt, Side::client);
    require_side(parse_epsv(text), Side::client);
    require_side(passive, Side::server);
    require_side(extended, Side::server);
    if (port) {
        require(port->address.is_v4() && parse_port(port_argument(*port)) == *port && parse_eprt(eprt_argument(*port)) == *port);
        // What is an argument is an address in a text too, but for the port that no server has.
        require(port->port == 0 ? !passive : passive && *passive == *port);
    }
    if (eprt) require(eprt->address.unmapped() == eprt->address && parse_eprt(eprt_argument(*eprt)) == *eprt);
    if (passive) {
        require(passive->address.is_v4() && passive->port != 0 && parse_passive_reply(passive_text(*passive)) == *passive);
        require(parse_passive_reply(std::string(text) + " ") == *passive && parse_passive_reply(". " + std::string(text)) == *passive);
    }
    if (extended) {
        require(*extended != 0 && parse_extended_passive_reply(extended_passive_text(*extended)) == *extended);
        require(parse_extended_passive_reply(std::string(text) + " ") == *extended);
    }
}

void check_login(std::string_view text) {
    const auto plain = parse_login(text, false);
    const auto asked = parse_login(text, true);
    require_side(plain, Side::client);
    require_side(asked, Side::client);
    if (!plain) {
        require(!asked && (plain.error().what == no_server) == (text.find('@') == std::string_view::npos));
        return;
    }
    require(!plain->user.empty() && !plain->proxy_user && plain->port != 0);
    std::string again = plain->user + "@";
    plain->server.append_to(again, plain->port);
    const auto twice = parse_login(again, false);
    require(twice && twice->user == plain->user && twice->server.host == plain->server.host && twice->port == plain->port);
    if (asked) require((asked->proxy_user ? asked->user + "@" + *asked->proxy_user : asked->user) == plain->user);
}

void check_path(std::string_view text) {
    WorkingDirectory directory;
    directory.set("/some/where");
    static_cast<void>(directory.set_from_reply(text));
    const std::string path = directory.resolve(text);
    require(path.starts_with('/') && (path.size() == 1 || !path.ends_with('/')));
    for (const std::string_view segment : split(std::string_view(path).substr(1), '/'))
        require(segment != "." && segment != ".." && (!segment.empty() || path == "/"));
    require(directory.resolve(path) == path && name_of(path).find('/') == std::string_view::npos);
    directory.set(path);
    require(directory.resolve("") == path && directory.resolve("x/..") == path);
    if (const auto name = name_from_stou(text)) require(text.ends_with(*name) && !name->empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    check_addresses(text);
    check_login(text);
    check_path(text);
    return 0;
}
