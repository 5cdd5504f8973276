// SPDX-License-Identifier: Apache-2.0
// quarantine list, show, release, delete: on the folder itself, whether an instance runs or not. What peers chose stands in all of it.
#include "app/commands.h"
#include "app/config.h"
#include "app/inspection.h"
#include "app/loaded.h"
#include "app/terminal_text.h"
#include "audit/event_json.h"
#include "inspect/quarantine/quarantine.h"

#include <fmt/format.h>
#include <boost/json.hpp>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ostream>

namespace sluice::app {

namespace {

namespace json = boost::json;
using inspect::Examined;
using inspect::Quarantine;
using inspect::Sample;

constexpr std::size_t table_width = 100;                   // columns
constexpr std::string_view gap = "  ";

std::string text_at(const json::object& event, std::string_view key) {
    const json::value* const value = event.if_contains(key);
    return value != nullptr && value->is_string() ? std::string(value->as_string().c_str(), value->as_string().size()) : std::string();
}

json::object event_of(const Sample& sample) {
    boost::system::error_code error;
    json::value value = json::parse(sample.event, error);
    return !error && value.is_object() ? std::move(value.as_object()) : json::object();
}

std::string timestamp_of(std::int64_t unix_ns) {
    std::array<char, audit::Timestamps::size> text{};
    audit::Timestamps().write(text.data(), unix_ns);
    return {text.data(), text.size()};
}

// "68 B", "9.5 KiB", "512 MiB": at most 8 columns.
std::string size_text(std::uint64_t bytes) {
    if (bytes < 1024) return fmt::format("{} B", bytes);
    constexpr std::array units{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = static_cast<double>(bytes) / 1024;
    std::size_t unit = 0;
    for (; value >= 1024 && unit + 1 < units.size(); ++unit) value /= 1024;
    return fmt::format("{:.{}f} {}", value, value < 9.95 ? 1 : 0, units[unit]);
}

// The event, with what the quarantine knows in front of it and instead of what the event said of the same.
json::object describe(const Sample& sample) {
    const json::object event = event_of(sample);
    json::object out;
    out["event.id"] = sample.id.view();
    out["quarantine.stored"] = timestamp_of(sample.stored_ns);
    if (!sample.is_readable) out["quarantine.intact"] = false;
    if (const std::string name = text_at(event, "file.name"); !name.empty()) out["file.name"] = name;
    out["file.size"] = sample.size;
    if (sample.is_readable) out["file.hash.sha256"] = inspect::hex(sample.sha256);
    for (const auto& [key, value] : event)
        if (!out.contains(key)) out[key] = value;
    return out;
}

json::object describe(const Examined& examined) {
    json::object out;
    const auto known = describe(examined.sample);
    for (const auto& [key, value] : known) {
        if (key == "quarantine.intact") continue;
        out[key] = value;
        if (key == "quarantine.stored") out["quarantine.intact"] = examined.is_intact;
        if (key != "file.hash.sha256") continue;
        if (!examined.sha1.empty()) out["file.hash.sha1"] = examined.sha1;
        if (!examined.md5.empty()) out["file.hash.md5"] = examined.md5;
    }
    return out;
}

// The widths of the last columns: as wide as their widest cell, or as the line allows, what one does not need going to the others in order.
template <std::size_t N>
std::array<std::size_t, N> fit(const std::array<std::size_t, N>& wanted, std::array<std::size_t, N> shares) {
    std::size_t spare = 0;
    for (std::size_t i = 0; i < N; ++i) {
        spare += shares[i] - std::min(shares[i], wanted[i]);
        shares[i] = std::min(shares[i], wanted[i]);
    }
    for (std::size_t i = 0; i < N; ++i) {
        const std::size_t more = std::min(spare, wanted[i] - shares[i]);
        shares[i] += more;
        spare -= more;
    }
    return shares;
}

void print_table(std::ostream& out, const std::vector<Sample>& samples) {
    struct Row {
        std::string id, stored, size;
        std::array<std::string, 3> rest;  // name, threat, rule
    };
    constexpr std::array<std::size_t, 3> shares{22, 18, 10};
    static_assert(16 + 16 + 8 + 22 + 18 + 10 + 5 * gap.size() == table_width);

    std::vector<Row> rows{{"ID", "STORED (UTC)", "SIZE", {"NAME", "THREAT", "RULE"}}};
    for (const Sample& sample : samples) {
        const json::object event = event_of(sample);
        std::string stored = timestamp_of(sample.stored_ns).substr(0, 16);
        stored[10] = ' ';
        std::string name = text_at(event, "file.name");
        if (name.empty()) name = text_at(event, "url.full");
        rows.push_back({std::string(sample.id.view()),
                        std::move(stored),
                        size_text(sample.size),
                        {std::move(name), text_at(event, "scan.threat"), text_at(event, "rule.name")}});
        for (std::string& cell : rows.back().rest)
            if (cell.empty()) cell = "-";
        if (!sample.is_readable) rows.back().rest[0] = "(damaged)";
    }
    std::array<std::size_t, 3> wanted{};
    for (const Row& row : rows)
        for (std::size_t i = 0; i < wanted.size(); ++i) wanted[i] = std::max(wanted[i], terminal_width(row.rest[i]));
    const auto widths = fit(wanted, shares);
    for (const Row& row : rows) {
        std::string line = fmt::format("{:<16}{}{:<16}{}{:>8}", row.id, gap, row.stored, gap, row.size);
        for (std::size_t i = 0; i < widths.size(); ++i) line.append(gap).append(terminal_cell(row.rest[i], widths[i]));
        line.erase(line.find_last_not_of(' ') + 1);
        out << line << "\n";
    }
}

std::string value_text(const json::value& value) {
    if (value.is_string()) return for_terminal({value.as_string().data(), value.as_string().size()});
    if (!value.is_array()) return json_for_terminal(json::serialize(value));
    std::string out;
    for (const json::value& element : value.as_array()) out += (out.empty() ? "" : ", ") + value_text(element);
    return out;
}

int report(const Error& error, std::string_view about, std::ostream& err) {
    err << "sluice: " << (about.empty() ? "" : for_terminal(about) + ": ") << error.what;
    // Those two the text itself says.
    if (error.cause != 0 && error.cause != ENOENT && error.cause != EEXIST) err << ": " << std::strerror(error.cause);
    err << "\n";
    return error.side == Side::client ? exit_usage : exit_fault;
}

int run_list(const Quarantine& quarantine, const QuarantineConfig& config, bool as_json, std::ostream& out, std::ostream& err) {
    const auto samples = quarantine.list();
    if (!samples) return report(samples.error(), config.dir.string(), err);
    if (as_json) {
        std::string_view before = "[";
        for (const Sample& sample : *samples) {
            out << before << json_for_terminal(json::serialize(describe(sample)));
            before = ",\n";
        }
        out << (samples->empty() ? "[]\n" : "]\n");
        return exit_good;
    }
    std::uint64_t size = 0;
    for (const Sample& sample : *samples) size += sample.size;
    if (!samples->empty()) print_table(out, *samples);
    out.flush();  // the table before what is said about it, where both go to one terminal
    err << fmt::format("{} {}, {} of {} in {}\n", samples->size(), samples->size() == 1 ? "sample" : "samples", size_text(size),
                       size_text(config.max_size), config.dir.string());
    return exit_good;
}

int run_show(const Quarantine& quarantine, const std::string& id, bool as_json, std::ostream& out, std::ostream& err) {
    const auto examined = quarantine.examine(id);
    if (!examined) return report(examined.error(), id, err);
    const json::object description = describe(*examined);
    if (as_json) out << json_for_terminal(json::serialize(description)) << "\n";
    else
        for (const auto& [key, value] : description)
            out << fmt::format("{:<28}{}\n", for_terminal({key.data(), key.size()}), value_text(value));
    if (examined->is_intact) return exit_good;
    out.flush();
    err << "sluice: " << for_terminal(id) << ": the sample is damaged\n";
    return exit_fault;
}

}  // namespace

int run_quarantine(const CommandLine& line, std::ostream& out, std::ostream& err) {
    Diagnostics faults;
    const Config config = load_config(line.config, faults);
    // Which folder is meant is not known for sure then, and the wrong one looks like an empty quarantine.
    if (has_errors(faults)) {
        err << to_string(faults);
        return exit_fault;
    }
    Quarantine quarantine(quarantine_options(config));
    const QuarantineOptions& options = line.quarantine;
    switch (options.action) {
        case QuarantineAction::list: return run_list(quarantine, config.quarantine, line.json, out, err);
        case QuarantineAction::show: return run_show(quarantine, options.id, line.json, out, err);
        case QuarantineAction::release:
            if (const auto released = quarantine.release(options.id, options.file); !released)
                return report(released.error(), released.error().cause == EEXIST ? options.file : options.id, err);
            err << fmt::format("{} is in {}, as it would have been opened: handle with care. The quarantine keeps its copy.\n", options.id,
                               for_terminal(options.file));
            return exit_good;
        case QuarantineAction::remove:
            if (const auto removed = quarantine.remove(options.id); !removed) return report(removed.error(), options.id, err);
            err << options.id << " is deleted.\n";
            return exit_good;
    }
    return exit_usage;
}

}  // namespace sluice::app
