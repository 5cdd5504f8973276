// SPDX-License-Identifier: Apache-2.0
// [[rule]] and [lists]: handed to the policy as they were written, with their places; only their types are looked at here.
#include "app/config_schema.h"

#include "base/text.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace sluice::app {

namespace {

using policy::ListSource;
using policy::RuleSource;
using policy::Text;

struct RuleKey {
    std::string_view name;
    void (*read)(Setting& setting, RuleSource& rule);
};

template <std::optional<Text> RuleSource::* member>
void read_text(Setting& setting, RuleSource& rule) {
    if (const auto value = setting.text()) rule.*member = setting.as_text(*value);
}

template <std::optional<policy::Number> RuleSource::* member>
void read_number(Setting& setting, RuleSource& rule) {
    const auto at = setting.node().source().begin;
    if (const auto value = setting.integer(0, 1'000'000'000))
        rule.*member = policy::Number{*value, {setting.file().name, at.line, at.column}, setting.file().line(at.line)};
}

template <std::optional<policy::Flag> RuleSource::* member>
void read_flag(Setting& setting, RuleSource& rule) {
    const auto at = setting.node().source().begin;
    if (const auto value = setting.boolean())
        rule.*member = policy::Flag{*value, {setting.file().name, at.line, at.column}, setting.file().line(at.line)};
}

template <std::optional<std::vector<Text>> RuleSource::* member>
void read_texts(Setting& setting, RuleSource& rule) {
    rule.*member = setting.placed_texts();
}

// A user file stands beside the file that names it.
void read_users(Setting& setting, RuleSource& rule) {
    const auto written = setting.text();
    if (!written) return;
    if (written->empty()) return setting.fault("an htpasswd file is expected");
    rule.users = setting.as_text(*written);
    rule.users->value = setting.file_path()->string();
    rule.users->verbatim = false;
}

// `header` is a field's name for the actions that edit headers, and true or false for `tag`.
void read_header(Setting& setting, RuleSource& rule) {
    if (setting.node().is_boolean()) read_flag<&RuleSource::header_flag>(setting, rule);
    else read_text<&RuleSource::header>(setting, rule);
}

// A size, or a number of bytes, as everywhere.
void read_max_size(Setting& setting, RuleSource& rule) {
    if (const auto* number = setting.node().as_integer()) rule.max_size = setting.as_text(std::to_string(number->get()));
    else read_text<&RuleSource::max_size>(setting, rule);
}

constexpr std::array kRuleKeys{
    RuleKey{"name", read_text<&RuleSource::name>},
    RuleKey{"when", read_text<&RuleSource::when>},
    RuleKey{"action", read_text<&RuleSource::action>},
    RuleKey{"phase", read_text<&RuleSource::phase>},
    RuleKey{"mode", read_text<&RuleSource::mode>},
    RuleKey{"reason", read_text<&RuleSource::reason>},
    RuleKey{"status", read_number<&RuleSource::status>},
    RuleKey{"to", read_text<&RuleSource::to>},
    RuleKey{"realm", read_text<&RuleSource::realm>},
    RuleKey{"users", read_users},
    RuleKey{"rate", read_text<&RuleSource::rate>},
    RuleKey{"burst", read_number<&RuleSource::burst>},
    RuleKey{"per", read_texts<&RuleSource::per>},
    RuleKey{"tags", read_texts<&RuleSource::tags>},
    RuleKey{"header", read_header},
    RuleKey{"value", read_text<&RuleSource::value>},
    RuleKey{"accept", read_flag<&RuleSource::accept>},
    RuleKey{"engines", read_texts<&RuleSource::engines>},
    RuleKey{"deliver", read_text<&RuleSource::deliver>},
    RuleKey{"ranges", read_text<&RuleSource::ranges>},
    RuleKey{"max_size", read_max_size},
    RuleKey{"whole", read_text<&RuleSource::whole>},
    RuleKey{"trickle", read_flag<&RuleSource::trickle>},
};

template <std::size_t n, class Key>
std::vector<std::string_view> names_of(const std::array<Key, n>& keys) {
    std::vector<std::string_view> names;
    for (const Key& key : keys) names.push_back(key.name);
    return names;
}

void read_rule(Reading& reading, const SourceFile& file, const toml::table& table, Config& config) {
    const auto at = table.source().begin;
    RuleSource rule;
    rule.place = {file.name, at.line, at.column};
    rule.source_line = file.line(at.line);
    for (const auto& [key, node] : table) {
        const auto* const spec = std::ranges::find(kRuleKeys, key.str(), &RuleKey::name);
        if (spec == kRuleKeys.end()) {
            report_unknown_key(reading, file, key, "a rule", names_of(kRuleKeys));
            continue;
        }
        Setting setting(reading, file, std::string(key.str()), key, node);
        spec->read(setting, rule);
    }
    config.policy.rules.push_back(std::move(rule));
}

constexpr std::array<std::string_view, 3> kListKeys{"type", "file", "values"};

void read_list(Reading& reading, const SourceFile& file, const toml::key& name, const toml::node& node, Config& config) {
    const std::string path = fmt::format("lists.{}", name.str());
    Setting list(reading, file, path, name, node);
    const auto [earlier, is_new] = reading.given.emplace(path, list.place());
    if (!is_new) return list.fault_at_key(fmt::format("given twice; first at {}:{}", earlier->second.file, earlier->second.line));
    const toml::table* table = node.as_table();
    if (table == nullptr) return list.fault(R"(a table is expected, as in { type = "domain", file = "lists/ads.txt" })");

    ListSource source;
    const auto at = name.source().begin;
    source.place = {file.name, at.line, at.column};
    source.source_line = file.line(at.line);
    source.name = {std::string(name.str()), source.place, source.source_line, false};
    bool has_type = false;
    bool has_values = false;
    for (const auto& [key, value] : *table) {
        Setting setting(reading, file, fmt::format("{}.{}", path, key.str()), key, value);
        if (key.str() == "type") {
            has_type = true;
            static constexpr std::array<std::string_view, 5> words{"domain", "ip", "sha256", "url", "string"};
            if (const auto word = setting.choice(words)) source.type = setting.as_text(std::string(words[*word]));
            else source.type.value.clear();
        } else if (key.str() == "file") {
            const auto written = setting.text();
            if (!written) continue;
            if (written->empty()) {
                setting.fault("a file is expected");
                continue;
            }
            source.file = setting.as_text(*written);
            source.file->value = setting.file_path()->string();
            source.file->verbatim = false;
        } else if (key.str() == "values") {
            has_values = true;
            source.values = setting.placed_texts();
        } else {
            report_unknown_key(reading, file, key, "a list", kListKeys);
        }
    }
    if (!has_type) list.fault_at_key("a list needs a type: domain, ip, sha256, url or string");
    if (source.file.has_value() == has_values && !has_errors(reading.faults)) list.fault_at_key("a list needs either a file or values");
    if (!source.type.value.empty()) config.policy.lists.push_back(std::move(source));
}

}  // namespace

void read_rules(Reading& reading, const SourceFile& file, const toml::key& key, const toml::node& node, Config& config) {
    const toml::array* rules = node.as_array();
    if (rules == nullptr) return Setting(reading, file, "rule", key, node).fault("rules are written as [[rule]]");
    for (const toml::node& rule : *rules) {
        if (const toml::table* table = rule.as_table()) read_rule(reading, file, *table, config);
        else Setting(reading, file, "rule", key, node).fault_at(rule, "rules are written as [[rule]]");
    }
}

void read_lists(Reading& reading, const SourceFile& file, const toml::key& key, const toml::node& node, Config& config) {
    const toml::table* table = node.as_table();
    if (table == nullptr) return Setting(reading, file, "lists", key, node).fault("a table is expected");
    for (const auto& [name, list] : *table) read_list(reading, file, name, list, config);
}

}  // namespace sluice::app
