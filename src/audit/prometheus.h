// SPDX-License-Identifier: Apache-2.0
// Metrics as text for Prometheus (exposition format 0.0.4). Names are interface.md's with underscores, base units, `_total` for counters.
#pragma once

#include "audit/log.h"
#include "audit/metrics.h"

#include <string>
#include <string_view>

namespace sluice::audit {

inline constexpr std::string_view prometheus_content_type = "text/plain; version=0.0.4; charset=utf-8";

// `log` may be nullptr. Reads /proc/self for the process_* metrics; what cannot be read is left out.
std::string prometheus_text(const Metrics& metrics, const Log* log, std::string_view version);

}  // namespace sluice::audit
