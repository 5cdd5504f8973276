// SPDX-License-Identifier: Apache-2.0
// Gives a parsed condition its meaning: names become fields, types are checked, comparisons become atoms. All faults are found, not the first.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "policy/condition.h"
#include "policy/expression.h"
#include "policy/lists/list.h"

namespace sluice::policy {

// A list that rules may name. Its type is known even where its content could not be loaded.
struct ListName {
    std::string name;
    std::optional<ListType> type;  // empty: its own fault was said already
    ListId id = 0;
};

// nullopt: `faults` has at least one error.
std::optional<Condition> check_condition(const Node& root, std::span<const ListName> lists, AtomTable& table, std::vector<Fault>& faults);

// A field by name, header names in brackets: for `per = ["client.ip", 'http.request.headers["x"]']`.
struct FieldReference {
    Field field = Field::client_ip;
    std::string header;
};
std::optional<FieldReference> resolve_field(const Operand& operand, std::vector<Fault>& faults);

}  // namespace sluice::policy
