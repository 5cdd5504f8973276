// SPDX-License-Identifier: Apache-2.0
#include "audit/event.h"

namespace sluice::audit {

std::string_view to_string(Action action) {
    switch (action) {
        case Action::allowed: return "allowed";
        case Action::blocked: return "blocked";
        case Action::reset: return "reset";
        case Action::quarantined: return "quarantined";
        case Action::redirected: return "redirected";
        case Action::limited: return "limited";
        case Action::tunnelled: return "tunnelled";
        case Action::failed: return "failed";
        case Action::aborted: return "aborted";
        case Action::refused: return "refused";
    }
    return "failed";
}

}  // namespace sluice::audit
