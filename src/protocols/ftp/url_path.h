// SPDX-License-Identifier: Apache-2.0
// What an ftp: URL says to a server (RFC 1738 3.2): its path, as the server takes it, and back; its login.
#pragma once

#include "base/result.h"

#include <string>
#include <string_view>

namespace sluice::ftp {

// ";type=a", ";type=i" or ";type=d" at the end, in any case.
struct TypedTarget {
    std::string_view target;                             // what is before it
    char type = 0;                                       // 'a', 'i', 'd'; 0: none
};
TypedTarget split_type(std::string_view target);

struct UrlPath {
    std::string path;  // decoded: "" where the login leads, "a/b" below it, "/a/b" from the root ("%2Fa/b"); no slash at its end
    bool is_directory = false;  // it ended with a slash
};
// Of a canonical path ("/a/b", no dot segments). Errors, Side::client, malformed: a name that holds a slash, NUL, CR or LF once it is decoded, or is "."
// or "..": the rules would have seen another path than the server does.
Result<UrlPath> parse_url_path(std::string_view path);

// "user:password" of a URL, decoded; without a colon the password is empty. malformed: an octet that would end a command's line.
struct UrlLogin {
    std::string user;
    std::string password;
};
bool is_login_text(std::string_view text);  // it has none
Result<UrlLogin> parse_userinfo(std::string_view userinfo);

// One name, as a link to it has it: all but RFC 3986's unreserved characters escaped.
void append_url_segment(std::string& out, std::string_view name);

}  // namespace sluice::ftp
