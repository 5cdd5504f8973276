// SPDX-License-Identifier: Apache-2.0
#include "inspect/signatures/signature_file.h"

#include "base/text.h"
#include "inspect/signatures/regular_expression.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <tuple>
#include <utility>

namespace sluice::inspect {

namespace {

constexpr std::array<std::string_view, 7> known_keys{"name", "text", "hex", "regex", "nocase", "check", "effect"};

// The pairs of `written` without what stands between them; nullopt after a fault.
std::optional<std::string> hex_pairs(const Text& written, Diagnostics& faults) {
    std::string out;
    const std::string_view text = written.value;
    for (std::size_t i = 0; i < text.size(); i += 2) {
        while (i < text.size() && std::string_view(" \t\r\n").contains(text[i])) ++i;
        if (i == text.size()) break;
        const std::string_view pair = text.substr(i, 2);
        const bool any = pair == "??";
        if (!any && (pair.size() != 2 || hex_value(pair[0]) < 0 || hex_value(pair[1]) < 0)) {
            faults.push_back(at(written, i, "a pair of hexadecimal digits is expected, or ?? for any byte"));
            return std::nullopt;
        }
        out += lower(pair);
    }
    return out;
}

double bits_of_hex(std::string_view pairs) {
    return 4 * static_cast<double>(pairs.size() - static_cast<std::size_t>(std::ranges::count(pairs, '?')));
}

// Where toml++ would be asked whether a character beyond ASCII is a blank: outside of strings and comments, and after the backslash at a line's end.
// Version 3.3 answers that for some of them with undefined behaviour. TOML has none of them there, so that it is a fault in any case.
std::optional<std::size_t> stray_character(std::string_view text) {
    const auto beyond_ascii = [&](std::size_t i) { return i < text.size() && static_cast<unsigned char>(text[i]) >= 0x80; };
    for (std::size_t i = text.starts_with("\xef\xbb\xbf") ? 3 : 0; i < text.size(); ++i) {
        if (beyond_ascii(i)) return i;
        if (text[i] == '#') i = std::min(text.find('\n', i), text.size());
        if (i == text.size() || (text[i] != '"' && text[i] != '\'')) continue;
        const char quote = text[i];
        const std::string three(3, quote);
        const bool many_lines = text.substr(i).starts_with(three);
        const std::string_view end = std::string_view(three).substr(0, many_lines ? 3 : 1);
        for (i += end.size(); i < text.size() && !text.substr(i).starts_with(end); ++i) {
            if (text[i] == '\n' && !many_lines) return std::nullopt;  // broken: toml++ says so
            if (text[i] != '\\' || quote != '"') continue;
            const std::size_t next = text.find_first_not_of(" \t\r\n", ++i);
            if (next == i || !many_lines) continue;
            if (next == std::string_view::npos || beyond_ascii(next))
                return next == std::string_view::npos ? std::nullopt : std::optional(next);
            i = next - 1;
        }
        i += end.size() - 1;
        // Up to two more quotes belong to the string that three of them end.
        for (int more = 0; many_lines && more < 2 && text.substr(std::min(i + 1, text.size())).starts_with(quote); ++more) ++i;
    }
    return std::nullopt;
}

// One [[signature]].
class Entry {
public:
    Entry(const SourceText& file, const toml::table& table, const Limits& limits, Diagnostics& faults)
        : file_(file),
          table_(table),
          limits_(limits),
          faults_(faults) {}

    std::optional<Signature> read() {
        const std::size_t before = faults_.size();
        keys();
        name();
        pattern();
        if (const toml::node* node = table_.get("nocase")) nocase(*node);
        if (const toml::node* node = table_.get("check"); node != nullptr && word(*node, "luhn")) out_.check = Signature::Check::luhn;
        if (const toml::node* node = table_.get("effect"); node != nullptr && word(*node, "match")) out_.effect = Signature::Effect::match;
        if (faults_.size() == before) judge();
        if (faults_.size() != before) return std::nullopt;
        return std::move(out_);
    }

private:
    void fault(const toml::source_position& place, std::string message) {
        faults_.push_back({Place{file_.name, place.line, place.column}, std::move(message), file_.line(place.line)});
    }

    void keys() {
        for (const auto& [key, node] : table_) {
            if (std::ranges::find(known_keys, key.str()) != known_keys.end()) continue;
            std::string message = fmt::format("unknown key \"{}\" in [[signature]]", key.str());
            if (const auto nearest = nearest_name(key.str(), known_keys); !nearest.empty())
                message += fmt::format("; did you mean \"{}\"?", nearest);
            fault(key.source().begin, std::move(message));
        }
    }

    std::optional<Text> text(const toml::node& node) {
        const auto begin = node.source().begin;
        if (const auto* value = node.as_string()) return file_.string_at(begin.line, begin.column, value->get());
        fault(begin, "a string is expected");
        return std::nullopt;
    }

    void name() {
        const toml::node* node = table_.get("name");
        if (node == nullptr) return fault(table_.source().begin, "this signature has no `name`");
        auto name = text(*node);
        if (!name) return;
        out_.name = std::move(*name);
        const std::string& value = out_.name.value;
        if (value.empty() || value.size() > limits_.signature_name)
            return fault(node->source().begin, fmt::format("a name has 1 to {} characters", limits_.signature_name));
        const auto odd = std::ranges::find_if(value, [](char c) { return c < ' ' || c > '~'; });
        if (odd != value.end())
            faults_.push_back(at(out_.name, static_cast<std::size_t>(odd - value.begin()), "a name has printable ASCII characters only"));
        else if (value.front() == ' ' || value.back() == ' ') fault(node->source().begin, "a name neither begins nor ends with a blank");
    }

    void pattern() {
        constexpr std::array kinds{std::pair(Signature::Kind::text, "text"), std::pair(Signature::Kind::hex, "hex"),
                                   std::pair(Signature::Kind::regex, "regex")};
        const toml::node* found = nullptr;
        for (const auto& [kind, key] : kinds) {
            const toml::node* node = table_.get(key);
            if (node == nullptr) continue;
            if (found != nullptr) return fault(node->source().begin, "a signature has only one of `text`, `hex` and `regex`");
            found = node;
            out_.kind = kind;
        }
        if (found == nullptr) return fault(table_.source().begin, "this signature has none of `text`, `hex` and `regex`");
        auto written = text(*found);
        if (!written) return;
        out_.pattern = std::move(*written);
        if (out_.kind != Signature::Kind::hex) return;
        auto pairs = hex_pairs(out_.pattern, faults_);
        if (!pairs) return;
        out_.pattern.value = std::move(*pairs);
        out_.pattern.verbatim = false;
    }

    void nocase(const toml::node& node) {
        const auto* value = node.as_boolean();
        if (value == nullptr) return fault(node.source().begin, "true or false is expected");
        out_.ignoring_case = value->get();
        if (out_.ignoring_case && out_.kind == Signature::Kind::hex)
            fault(node.source().begin, "`nocase` is for `text` and `regex`: hex gives the very bytes");
    }

    bool word(const toml::node& node, std::string_view only) {
        const auto* value = node.as_string();
        if (value != nullptr && value->get() == only) return true;
        fault(node.source().begin, fmt::format("there is only \"{}\" here", only));
        return false;
    }

    // What the keys say together.
    void judge() {
        const Text& pattern = out_.pattern;
        const std::size_t size = out_.kind == Signature::Kind::hex ? pattern.value.size() / 2 : pattern.value.size();
        if (size == 0) return faults_.push_back(at(pattern, 0, "an empty pattern is found in every payload"));
        if (size > limits_.signature_pattern)
            return faults_.push_back(at(pattern, 0, fmt::format("a pattern has at most {} bytes", limits_.signature_pattern)));
        if (out_.check != Signature::Check::none && out_.kind != Signature::Kind::regex)
            return fault(table_.get("check")->source().begin, "`check` is for `regex`: what matches a text or a hex is always the same");
        double bits = 8 * static_cast<double>(size);
        if (out_.kind == Signature::Kind::hex) bits = bits_of_hex(pattern.value);
        if (out_.kind == Signature::Kind::regex) {
            const auto parsed = parse_regular_expression(pattern.value, out_.ignoring_case, limits_);
            if (!parsed) return faults_.push_back(at(pattern, parsed.error().position, parsed.error().message));
            if (out_.check == Signature::Check::luhn) judge_checked(*parsed);
            bits = parsed->bits;
        }
        if (bits < limits_.signature_bits)
            faults_.push_back(at(
                pattern, 0,
                "this is found in too much: a match must hold at least 4 literal bytes, or as much in classes (7 digits, 12 of [a-z0-9])"));
    }

    void judge_checked(const RegularExpression& expression) {
        if (expression.longest > limits_.checked_match)
            faults_.push_back(
                at(out_.pattern, 0,
                   fmt::format("with `check`, a match has at most {} bytes: give the repeats an end", limits_.checked_match)));
        else if (expression.most_digits < 2) faults_.push_back(at(out_.pattern, 0, "with `check`, a match has at least 2 digits"));
    }

    const SourceText& file_;
    const toml::table& table_;
    const Limits& limits_;
    Diagnostics& faults_;
    Signature out_;
};

class Reader {
public:
    Reader(SourceText file, const Limits& limits) : file_(std::move(file)), limits_(limits) {}

    std::vector<Signature> read(Diagnostics& faults) {
        if (const auto position = stray_character(file_.text)) {
            const std::string_view before = std::string_view(file_.text).substr(0, *position);
            const auto line = static_cast<std::size_t>(std::ranges::count(before, '\n')) + 1;
            const std::string_view in_line = before.substr(file_.offset(line));
            const auto column = 1 + std::ranges::count_if(in_line, [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; });
            faults.push_back({Place{file_.name, line, static_cast<std::size_t>(column)},
                              "a character beyond ASCII can stand in strings and comments only", file_.line(line)});
            return {};
        }
        const toml::parse_result parsed = toml::parse(std::string_view(file_.text), std::string_view(file_.name));
        if (!parsed) {
            fault(parsed.error().source().begin, std::string(parsed.error().description()));
        } else {
            for (const auto& [key, node] : parsed.table()) {
                if (key.str() == "signature") signatures(node);
                else fault(key.source().begin, fmt::format("unknown key \"{}\": a signature file has [[signature]] only", key.str()));
            }
        }
        // toml++ visits a table's keys in the order of the alphabet; people read faults in the order of the file.
        std::ranges::sort(faults_, {},
                          [](const Diagnostic& fault) { return std::tie(fault.place.line, fault.place.column, fault.message); });
        faults.insert(faults.end(), faults_.begin(), faults_.end());
        return std::move(out_);
    }

private:
    void fault(const toml::source_position& place, std::string message) {
        faults_.push_back({Place{file_.name, place.line, place.column}, std::move(message), file_.line(place.line)});
    }

    void signatures(const toml::node& node) {
        const toml::array* array = node.as_array();
        if (array == nullptr) return fault(node.source().begin, "signatures are written as [[signature]], each under its own");
        if (array->size() > limits_.signatures)
            return fault(node.source().begin, fmt::format("there are more than {} signatures", limits_.signatures));
        for (const toml::node& element : *array) {
            const toml::table* table = element.as_table();
            if (table == nullptr) {
                fault(element.source().begin, "signatures are written as [[signature]], each under its own");
                continue;
            }
            auto signature = Entry(file_, *table, limits_, faults_).read();
            if (!signature) continue;
            const auto [earlier, is_new] = lines_.emplace(signature->name.value, signature->name.place.line);
            if (!is_new) {
                faults_.push_back(at(signature->name, 0, fmt::format("line {} has a signature of this name", earlier->second)));
                continue;
            }
            out_.push_back(std::move(*signature));
        }
    }

    SourceText file_;
    const Limits& limits_;
    Diagnostics faults_;
    std::map<std::string, std::size_t> lines_;  // by name
    std::vector<Signature> out_;
};

}  // namespace

std::vector<Signature> parse_signature_file(std::string file, std::string text, const Limits& limits, Diagnostics& faults) {
    return Reader(SourceText(std::move(file), std::move(text)), limits).read(faults);
}

}  // namespace sluice::inspect
