// SPDX-License-Identifier: Apache-2.0
// status, reload, reopen, stop: asked of the running instance.
#include "app/commands.h"
#include "app/config.h"
#include "app/config_value.h"
#include "app/control.h"
#include "app/loaded.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <ostream>

namespace sluice::app {

namespace {

namespace json = boost::json;

std::string_view word_of(Command command) {
    switch (command) {
        case Command::status: return "status";
        case Command::reload: return "reload";
        case Command::reopen: return "reopen";
        default: return "stop";
    }
}

std::string text_of(const json::value& value) {
    if (value.is_string()) return std::string(value.as_string().c_str());
    if (value.is_array()) {
        std::string out;
        for (const json::value& element : value.as_array()) out += (out.empty() ? "" : ", ") + text_of(element);
        return out;
    }
    if (value.is_object()) {
        std::string out;
        for (const auto& [key, element] : value.as_object())
            out += fmt::format("{}{} {}", out.empty() ? "" : ", ", std::string_view(key.data(), key.size()), text_of(element));
        return out;
    }
    return json::serialize(value);
}

void print_status(std::ostream& out, const json::object& status) {
    for (const auto& [key, value] : status) {
        const std::string_view name(key.data(), key.size());
        if (name == "ok") continue;
        out << fmt::format("{:<20}{}\n", name, text_of(value));
    }
}

}  // namespace

int run_control(const CommandLine& line, std::ostream& out, std::ostream& err) {
    // Only `state_dir` is wanted: an instance must be reachable while its files have faults in rules.
    Diagnostics faults;
    const Config config = load_config(line.config, faults);
    const auto answer = ask_instance(config.state_dir, std::string(word_of(line.command)), line.command == Command::stop);
    if (!answer) {
        err << "sluice: " << answer.error() << "\n";
        if (has_errors(faults)) err << to_string(faults);
        return exit_fault;
    }
    const json::value* const ok = answer->if_contains("ok");
    const bool good = ok != nullptr && ok->is_bool() && ok->as_bool();
    if (line.json) out << json::serialize(*answer) << "\n";
    else if (good && line.command == Command::status) print_status(out, *answer);
    if (!line.json)
        for (const char* key : {"error", "warnings"})
            if (const json::value* text = answer->if_contains(key)) {
                const std::string message = text_of(*text);
                err << message << (message.ends_with('\n') ? "" : "\n");
            }
    return good ? exit_good : exit_fault;
}

}  // namespace sluice::app
