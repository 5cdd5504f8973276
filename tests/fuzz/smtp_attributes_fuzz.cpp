// SPDX-License-Identifier: Apache-2.0
// XCLIENT's and XFORWARD's attributes: what is refused changes nothing, and what is said to an upstream is lines within bounds that say the same.
#include "protocols/smtp/xclient.h"

#include <cstdlib>

using namespace sluice;
using namespace sluice::smtp;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

bool are_same(const ClientAttributes& a, const ClientAttributes& b) {
    return a.name == b.name && a.address == b.address && a.port == b.port && a.helo == b.helo && a.protocol == b.protocol &&
           a.login == b.login;
}

// Each in a line that has one end, and begins with the verb.
ClientAttributes read(const std::vector<std::string>& lines) {
    ClientAttributes out;
    for (const std::string& line : lines) {
        require(line.size() <= 512 && line.starts_with("XCLIENT ") && line.find_first_of(std::string_view("\r\n\0", 3)) == line.size() - 2);
        require(parse_attributes(std::string_view(line).substr(8, line.size() - 10), out).has_value());
    }
    return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::vector<std::string> all{"NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN"};
    const ClientAttributes before{
        .name = "a", .address = IpAddress::parse("192.0.2.1"), .port = 1, .helo = "b", .protocol = "ESMTP", .login = "c"};
    ClientAttributes got = before;
    if (const auto parsed = parse_attributes(text, got); !parsed) {
        require(parsed.error().code == Errc::malformed && parsed.error().side == Side::client && are_same(got, before));
    } else {
        // A value that would not go into a line by itself is left out.
        ClientAttributes said = got;
        for (std::string* value : {&said.name, &said.helo, &said.protocol, &said.login})
            if (value->size() > 150) value->clear();
        require(are_same(read(encode_attributes("XCLIENT", said, all)), said));
        static_cast<void>(read(encode_attributes("XCLIENT", got, all)));
    }
    // Whatever octets a client's names have.
    ClientAttributes hostile;
    hostile.helo = hostile.name = hostile.login = text;
    for (const std::string& line : encode_attributes("XCLIENT", hostile, all))
        require(line.size() <= 512 && line.find_first_of(std::string_view("\r\n\0", 3)) == line.size() - 2);
    require(encode_attributes("XCLIENT", got, {}).empty());
    return 0;
}
