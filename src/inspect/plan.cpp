// SPDX-License-Identifier: Apache-2.0
#include "inspect/plan.h"

namespace sluice::inspect {

Delivery choose_delivery(policy::Deliver wanted, const MediaType& sniffed, std::string_view declared_type, std::uint64_t declared_size) {
    switch (wanted) {
        case policy::Deliver::hold: return {.mode = Mode::hold};
        case policy::Deliver::tail: return {.mode = Mode::tail};
        case policy::Deliver::stream: return {.mode = Mode::stream};
        case policy::Deliver::automatic: break;
    }
    const bool risky = is_risky(sniffed.kind);
    if (risky) return {.mode = declared_size > automatic_hold ? Mode::tail : Mode::hold, .automatic = true};
    if (agrees(declared_type, sniffed)) return {.mode = Mode::stream, .automatic = true};
    return {.mode = Mode::tail, .automatic = true, .may_let_go = true};
}

}  // namespace sluice::inspect
