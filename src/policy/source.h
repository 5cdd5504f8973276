// SPDX-License-Identifier: Apache-2.0
// What the configuration hands over: rules and lists as they were written, with their places. Policy reads no file of rules itself.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/diagnostic.h"
#include "base/source_text.h"

namespace sluice::policy {

using sluice::Text;

struct Number {
    std::int64_t value = 0;
    Place place;
    std::string source_line;
};

struct Flag {
    bool value = false;
    Place place;
    std::string source_line;
};

// One [[rule]]. A key that is not there is empty; `place` is the rule's own first line.
struct RuleSource {
    Place place;
    std::string source_line;
    std::optional<Text> name, when, action;
    std::optional<Text> phase, mode;
    std::optional<Text> reason;
    std::optional<Number> status;  // block, quarantine
    std::optional<Text> to;  // redirect
    std::optional<Text> realm, users;  // authenticate; `users`: an absolute path
    std::optional<Text> rate;  // limit
    std::optional<Number> burst;
    std::optional<std::vector<Text>> per;
    std::optional<std::vector<Text>> tags;  // tag; the key `header` as a boolean is header_flag
    std::optional<Flag> header_flag;
    std::optional<Text> header, value;  // set_request_header …
    std::optional<Flag> accept;  // quarantine
    std::optional<std::vector<Text>> engines;  // inspect
    std::optional<Text> deliver, whole, ranges, max_size;
    std::optional<Flag> trickle;
};

// One key of [lists].
struct ListSource {
    Text name;  // "ads"
    Text type;  // "domain", "ip", "sha256", "url", "string"
    std::optional<Text> file;  // an absolute path
    std::vector<Text> values;
    Place place;
    std::string source_line;
};

struct PolicySource {
    std::vector<RuleSource> rules;
    std::vector<ListSource> lists;
    std::optional<Text> default_action;  // [policy] default: "allow" or "block"; allow without it
    bool protect_host = true, malware = true, unscanned = true;  // [builtin]
    bool knows_countries = false;  // [geo]: there is a database
};

}  // namespace sluice::policy
