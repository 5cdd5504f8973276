// SPDX-License-Identifier: Apache-2.0
#include "sessions/transaction/connect.h"

#include <algorithm>

#include "net/resolver.h"

namespace sluice::sessions {

net::Task<Connected> connect(net::Worker& worker, Judgement& judgement, const IpAddress& client, const Authority& server,
                             std::uint16_t port, const Limits& limits) {
    judgement.begin_dial();
    auto& candidates = judgement.candidates;
    const auto consider = [&](const IpAddress& found) {
        const IpPort address{found.unmapped(), port};
        if (std::ranges::find(candidates, address, &Judgement::Candidate::address) != candidates.end()) return;
        if (auto candidate = judgement.may_dial(client, address)) candidates.push_back(std::move(*candidate));
    };
    if (server.address) {
        consider(*server.address);
    } else {
        const auto addresses = co_await worker.resolver().resolve(server.host);
        if (!addresses) co_return ConnectFailure{.in_resolving = true, .error = addresses.error(), .tried = {}};
        for (const IpAddress& found : (*addresses)->list) consider(found);
    }
    if (candidates.empty()) {
        judgement.keep_effects_of_denied();
        co_return judgement.dial_denial().value_or(Denial{});
    }
    auto& judged = judgement.candidate_addresses;
    for (const Judgement::Candidate& candidate : candidates) judged.push_back(candidate.address);

    auto dialled = co_await net::dial(worker, judged, limits);
    if (!dialled) {
        judgement.keep_effects_of(candidates.front());
        co_return ConnectFailure{.in_resolving = false, .error = dialled.error(), .tried = judged.front()};
    }
    for (const Judgement::Candidate& candidate : candidates)
        if (candidate.address == dialled->address) judgement.take(candidate);
    co_return std::move(*dialled);
}

}  // namespace sluice::sessions
