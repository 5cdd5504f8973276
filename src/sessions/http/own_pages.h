// SPDX-License-Identifier: Apache-2.0
// What the listener serves by itself.
#pragma once

#include <string>
#include <string_view>

#include "base/ip.h"

namespace sluice::http {

// A proxy auto-config file (PAC) that sends everything but this network's own plain names and addresses through the listener that was asked:
// by the name in the request's Host, where that is a host and port, else by its address.
std::string proxy_auto_config(const IpPort& listener, std::string_view host);

}  // namespace sluice::http
