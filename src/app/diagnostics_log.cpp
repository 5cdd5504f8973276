// SPDX-License-Identifier: Apache-2.0
#include "app/diagnostics_log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace sluice::app {

void set_diagnostics_level(Level level) {
    switch (level) {
        case Level::debug: return spdlog::set_level(spdlog::level::debug);
        case Level::info: return spdlog::set_level(spdlog::level::info);
        case Level::warning: return spdlog::set_level(spdlog::level::warn);
        case Level::error: return spdlog::set_level(spdlog::level::err);
    }
}

void set_up_diagnostics(Level level) {
    auto logger = std::make_shared<spdlog::logger>("sluice", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    logger->set_pattern("%Y-%m-%dT%H:%M:%S.%e%z %l: %v");
    logger->flush_on(spdlog::level::debug);
    spdlog::set_default_logger(std::move(logger));
    set_diagnostics_level(level);
}

}  // namespace sluice::app
