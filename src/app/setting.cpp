// SPDX-License-Identifier: Apache-2.0
#include "app/setting.h"

#include "app/config_value.h"
#include "base/text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <glob.h>

#include <algorithm>
#include <limits>

namespace sluice::app {

void Reading::fault(const SourceFile& file, const toml::source_position& at, std::string message, Diagnostic::Severity severity) {
    faults.push_back({Place{file.name, at.line, at.column}, std::move(message), file.line(at.line), severity});
}

std::optional<std::vector<std::filesystem::path>> files_matching(const std::filesystem::path& pattern) {
    std::vector<std::filesystem::path> out;
    glob_t found{};
    const int result = glob(pattern.c_str(), 0, nullptr, &found);
    for (std::size_t i = 0; result == 0 && i < found.gl_pathc; ++i) out.emplace_back(found.gl_pathv[i]);
    globfree(&found);
    if (result != 0 && result != GLOB_NOMATCH) return std::nullopt;
    std::ranges::sort(out);
    return out;
}

std::string_view kind_of(const toml::node& node) {
    switch (node.type()) {
        case toml::node_type::table: return "table";
        case toml::node_type::array: return "list";
        case toml::node_type::string: return "string";
        case toml::node_type::integer: return "number";
        case toml::node_type::floating_point: return "number with a fraction";
        case toml::node_type::boolean: return "true or false";
        default: return "date or time";
    }
}

policy::Text text_of(const SourceFile& file, const toml::node& node, std::string value) {
    const auto begin = node.source().begin;
    return file.string_at(begin.line, begin.column, std::move(value));
}

policy::Text Setting::as_text(const std::string& value) const { return text_of(file_, node_, value); }

Given Setting::place() const {
    const auto at = key_.source().begin;
    return {{file_.name, at.line, at.column}, file_.line(at.line)};
}

void Setting::fault(std::string message) { fault_at(node_, std::move(message)); }

void Setting::fault_at(const toml::node& part, std::string message) {
    reading_.fault(file_, part.source().begin, fmt::format("{}: {}", path_, message));
}

void Setting::fault_at_key(std::string message) { reading_.fault(file_, key_.source().begin, fmt::format("{}: {}", path_, message)); }

std::optional<bool> Setting::boolean() {
    if (const auto* value = node_.as_boolean()) return value->get();
    fault(fmt::format("true or false is expected, not a {}", kind_of(node_)));
    return std::nullopt;
}

std::optional<std::int64_t> Setting::integer(std::int64_t least, std::int64_t most) {
    const auto* value = node_.as_integer();
    if (value == nullptr) {
        fault(fmt::format("a number is expected, not a {}", kind_of(node_)));
        return std::nullopt;
    }
    if (value->get() >= least && value->get() <= most) return value->get();
    fault(most == std::numeric_limits<std::int64_t>::max() ? fmt::format("{} is less than {}", value->get(), least)
                                                           : fmt::format("{} is not between {} and {}", value->get(), least, most));
    return std::nullopt;
}

std::optional<std::string> Setting::text() {
    if (const auto* value = node_.as_string()) {
        if (value->get().find('\0') == std::string::npos) return value->get();
        fault("a string here must not hold a NUL");
        return std::nullopt;
    }
    fault(fmt::format("a string is expected, not a {}", kind_of(node_)));
    return std::nullopt;
}

std::optional<std::vector<std::string>> Setting::texts() {
    if (const auto* one = node_.as_string()) return std::vector{one->get()};
    const auto* array = node_.as_array();
    if (array == nullptr) {
        fault(fmt::format("a list of strings is expected, not a {}", kind_of(node_)));
        return std::nullopt;
    }
    std::vector<std::string> out;
    bool good = true;
    for (const toml::node& element : *array) {
        if (const auto* value = element.as_string()) {
            out.push_back(value->get());
        } else {
            fault_at(element, fmt::format("a string is expected, not a {}", kind_of(element)));
            good = false;
        }
    }
    if (!good) return std::nullopt;
    return out;
}

std::vector<policy::Text> Setting::placed_texts() {
    std::vector<policy::Text> out;
    if (const auto* one = node_.as_string()) {
        out.push_back(text_of(file_, *one, one->get()));
    } else if (const auto* array = node_.as_array()) {
        for (const toml::node& element : *array) {
            if (const auto* value = element.as_string()) out.push_back(text_of(file_, element, value->get()));
            else fault_at(element, fmt::format("a string is expected, not a {}", kind_of(element)));
        }
    } else {
        fault(fmt::format("a list of strings is expected, not a {}", kind_of(node_)));
    }
    return out;
}

std::optional<std::vector<std::filesystem::path>> Setting::files() {
    const auto patterns = texts();
    if (!patterns) return std::nullopt;
    std::vector<std::filesystem::path> out;
    for (const std::string& pattern : *patterns) {
        const auto absolute = (file_.folder / pattern).lexically_normal();
        const auto found = files_matching(absolute);
        if (!found) fault(fmt::format("cannot read {}", absolute.string()));
        else if (found->empty() && pattern.find_first_of("*?[") == std::string::npos)
            fault(fmt::format("there is no file {}", absolute.string()));
        else
            for (const auto& file : *found)
                if (std::ranges::find(out, file) == out.end()) out.push_back(file);
    }
    return out;
}

std::optional<std::chrono::milliseconds> Setting::duration(std::chrono::milliseconds least) {
    const auto* value = node_.as_string();
    const auto parsed = value == nullptr ? std::nullopt : parse_duration(value->get());
    if (!parsed) {
        fault(R"(a duration is expected: "500ms", "30s", "5m", "1h", "2d")");
        return std::nullopt;
    }
    constexpr std::chrono::hours kMost{24 * 3650};
    if (*parsed >= least && *parsed <= kMost) return parsed;
    fault(fmt::format("{} is not between {} and {}", value->get(), format_duration(least), format_duration(kMost)));
    return std::nullopt;
}

std::optional<std::uint64_t> Setting::size(std::uint64_t least, std::uint64_t most) {
    std::optional<std::uint64_t> parsed;
    if (const auto* text = node_.as_string()) parsed = parse_size(text->get());
    else if (const auto* number = node_.as_integer(); number != nullptr && number->get() >= 0)
        parsed = static_cast<std::uint64_t>(number->get());
    if (!parsed) {
        fault(R"(a size is expected: "64KiB", "50MiB", "1GB", or a number of bytes)");
        return std::nullopt;
    }
    if (*parsed > most) {
        fault(fmt::format("at most {} bytes are possible", most));
        return std::nullopt;
    }
    if (*parsed >= least) return parsed;
    fault(fmt::format("at least {} bytes are needed", least));
    return std::nullopt;
}

std::optional<std::size_t> Setting::choice(std::span<const std::string_view> words) {
    const auto* value = node_.as_string();
    if (value != nullptr)
        for (std::size_t i = 0; i < words.size(); ++i)
            if (words[i] == value->get()) return i;
    std::string message = fmt::format("one of \"{}\" is expected", fmt::join(words, "\", \""));
    if (value != nullptr)
        if (const auto nearest = nearest_name(value->get(), words); !nearest.empty())
            message += fmt::format("; did you mean \"{}\"?", nearest);
    fault(std::move(message));
    return std::nullopt;
}

std::optional<std::filesystem::path> Setting::file_path() {
    const auto value = text();
    if (!value) return std::nullopt;
    if (value->empty()) return std::filesystem::path();
    return (file_.folder / *value).lexically_normal();
}

std::optional<std::vector<IpPort>> Setting::listeners() {
    std::vector<IpPort> in_tls;
    auto out = listeners(in_tls);
    if (out && !in_tls.empty()) {
        fault("an address with a port is expected: only http.listen speaks https://");
        return std::nullopt;
    }
    return out;
}

std::optional<std::vector<IpPort>> Setting::listeners(std::vector<IpPort>& in_tls) {
    const auto words = texts();
    if (!words) return std::nullopt;
    std::vector<IpPort> out;
    in_tls.clear();
    constexpr std::string_view tls_scheme = "https://";
    for (const std::string& word : *words) {
        const bool is_tls = word.starts_with(tls_scheme);
        const auto parsed = IpPort::parse(std::string_view(word).substr(is_tls ? tls_scheme.size() : 0));
        if (!parsed || parsed->port == 0) {
            fault(fmt::format("\"{}\" is not an address with a port, as in \"127.0.0.1:3128\" or \"[::1]:3128\"", word));
            return std::nullopt;
        }
        for (const auto* earlier : {&out, &in_tls})
            if (std::ranges::find(*earlier, *parsed) != earlier->end()) {
                fault(fmt::format("{} stands here twice", parsed->to_string()));
                return std::nullopt;
            }
        (is_tls ? in_tls : out).push_back(*parsed);
    }
    return out;
}

std::optional<std::vector<IpNetwork>> Setting::networks() {
    const auto words = texts();
    if (!words) return std::nullopt;
    std::vector<IpNetwork> out;
    for (const std::string& word : *words) {
        const auto parsed = IpNetwork::parse(word);
        if (!parsed) {
            fault(fmt::format("\"{}\" is not a network, as in \"10.0.0.0/8\", \"2001:db8::/32\" or an address alone", word));
            return std::nullopt;
        }
        out.push_back(*parsed);
    }
    return out;
}

std::optional<std::vector<PortRange>> Setting::ports() {
    std::vector<PortRange> out;
    const auto one = [&](const toml::node& node) {
        std::optional<PortRange> parsed;
        if (const auto* text = node.as_string()) parsed = parse_ports(text->get());
        else if (const auto* number = node.as_integer(); number != nullptr && number->get() > 0 && number->get() <= 65535)
            parsed = PortRange{static_cast<std::uint16_t>(number->get()), static_cast<std::uint16_t>(number->get())};
        if (parsed) out.push_back(*parsed);
        else fault_at(node, R"(a port is expected, as in 443 or "8000-8099")");
        return parsed.has_value();
    };
    bool good = true;
    if (const auto* array = node_.as_array()) {
        for (const toml::node& element : *array) good = one(element) && good;
    } else {
        good = one(node_);
    }
    if (!good) return std::nullopt;
    return out;
}

}  // namespace sluice::app
