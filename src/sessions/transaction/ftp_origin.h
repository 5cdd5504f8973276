// SPDX-License-Identifier: Apache-2.0
// An FTP server that is asked for a URL, as if it were an origin server of HTTP: what HTTP's sessions know of it, and what FTP's make of that.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/ip.h"
#include "base/url.h"
#include "net/stream.h"
#include "policy/protect_host.h"

namespace sluice::sessions {

struct FtpOrigin {
    std::unique_ptr<net::Stream> control;  // dialled; the address was judged
    Authority server;
    std::uint16_t port = 21;
    std::string path;  // canonical, of the URL
    char type = 0;  // of the URL's ";type="; 0: none
    std::string url;  // without userinfo, for people
    std::string user;  // empty: anonymous
    std::string password;
    IpAddress client;
    std::shared_ptr<const policy::ProtectHost> protect_host;  // of data connections; null: turned off
};

// What speaks HTTP/1.1: one request, one response, and it closes. Whoever closes it first ends what goes on at the server.
using FtpGateway = std::function<std::unique_ptr<net::Stream>(FtpOrigin)>;

}  // namespace sluice::sessions
