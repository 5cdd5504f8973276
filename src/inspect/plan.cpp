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
    if (is_risky(sniffed.kind))
        return declared_size > automatic_hold ? Delivery{.mode = Mode::tail} : Delivery{.mode = Mode::hold, .automatic = true};
    const bool is_media = sniffed.kind == MediaClass::audio || sniffed.kind == MediaClass::video;
    if (agrees(declared_type, sniffed)) return {.mode = Mode::stream, .automatic = true, .may_let_go = is_media};
    return {.mode = Mode::tail, .automatic = true, .may_let_go = true};
}

}  // namespace sluice::inspect
