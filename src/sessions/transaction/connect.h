// SPDX-License-Identifier: Apache-2.0
// From a server's name to a connection: resolved, each address judged, and exactly those dialled.
#pragma once

#include <optional>
#include <variant>
#include <vector>

#include "base/url.h"
#include "net/dial.h"
#include "net/task.h"
#include "net/worker.h"
#include "sessions/transaction/judgement.h"

namespace sluice::sessions {

struct ConnectFailure {
    bool in_resolving = false;                           // else in dialling
    Error error;
    std::optional<IpPort> tried;                         // the first address, where there was one
};

// The connection, or why there is none: a denial, or an error. `client`: for protect-host. What the rules of `dial` said of the address holds in
// `judgement` afterwards. All references live until it ends. Counts nothing: how long a connection lasts is the caller's to know.
using Connected = std::variant<net::Dialled, Denial, ConnectFailure>;
net::Task<Connected> connect(net::Worker& worker, Judgement& judgement, const IpAddress& client, const Authority& server,
                             std::uint16_t port, const Limits& limits);

}  // namespace sluice::sessions
