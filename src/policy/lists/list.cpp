// SPDX-License-Identifier: Apache-2.0
#include "policy/lists/list.h"

#include <array>
#include <utility>

namespace sluice::policy {

namespace {
constexpr std::array<std::pair<ListType, std::string_view>, 5> types{{{ListType::domain, "domain"},
                                                                      {ListType::ip, "ip"},
                                                                      {ListType::sha256, "sha256"},
                                                                      {ListType::url, "url"},
                                                                      {ListType::string, "string"}}};
}  // namespace

std::string_view to_string(ListType type) {
    for (const auto& [value, name] : types)
        if (value == type) return name;
    return "";
}

std::optional<ListType> find_list_type(std::string_view name) {
    for (const auto& [value, known] : types)
        if (known == name) return value;
    return std::nullopt;
}

}  // namespace sluice::policy
