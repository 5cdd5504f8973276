// SPDX-License-Identifier: Apache-2.0
#include "app/loaded.h"

#include "app/inspection.h"

namespace sluice::app {

Loaded load(const std::string& config_option, const policy::Policy* previous, const inspect::Setup* previous_inspect) {
    Loaded loaded;
    loaded.config = load_config(config_option, loaded.faults);
    // Compiled even if something is wrong already: all faults in one go.
    loaded.policy = policy::Policy::compile(loaded.config.policy, loaded.faults, previous);
    if (loaded.policy) loaded.inspect = load_inspection(loaded.config, *loaded.policy, loaded.faults, previous_inspect);
    if (loaded.policy) loaded.tls = load_tls(loaded.config, *loaded.policy, loaded.faults);
    if (has_errors(loaded.faults)) {
        loaded.policy = nullptr;
        loaded.inspect = nullptr;
        loaded.tls = {};
    }
    return loaded;
}

std::string to_string(const Diagnostics& faults) {
    std::string out;
    for (const Diagnostic& fault : faults) out += sluice::to_string(fault);
    return out;
}

}  // namespace sluice::app
