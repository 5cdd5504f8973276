// SPDX-License-Identifier: Apache-2.0
// From a configuration and its policy to what a worker holds of them.
#pragma once

#include "app/config.h"
#include "app/interception.h"
#include "audit/metrics.h"
#include "sessions/ftp/settings.h"
#include "sessions/http/settings.h"
#include "sessions/smtp/settings.h"

#include <memory>
#include <string>
#include <vector>

namespace sluice::app {

// What the configuration does not say of the machine and this process.
struct Surroundings {
    std::string via;                                       // our name in Via
    std::vector<IpAddress> interface_addresses;
};

// "sluice-" and what chance adds: each process has its own, since loops are found by it.
std::string new_via_name();

http::Generation make_generation(const Config& config, std::shared_ptr<const policy::Policy> policy,
                                 std::shared_ptr<const inspect::Setup> inspect, const Tls& tls, const Surroundings& surroundings,
                                 audit::Metrics& metrics);

// Beside HTTP's, with which it shares what both have: clients, policy, inspection.
ftp::Generation make_ftp_generation(const Config& config, const http::Generation& http, const Tls& tls);

// Likewise.
smtp::Generation make_smtp_generation(const Config& config, const http::Generation& http, const Tls& tls);

}  // namespace sluice::app
