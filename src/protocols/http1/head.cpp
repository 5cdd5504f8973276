// SPDX-License-Identifier: Apache-2.0
#include "protocols/http1/head.h"

#include "base/text.h"

#include <algorithm>

namespace sluice::http1 {

namespace {

bool for_this_hop(const Fields& fields, const ConnectionOptions& connection, std::size_t index) {
    return is_hop_by_hop(fields.known(index)) || (!connection.names.empty() && connection.names_field(fields.all()[index].name));
}

}  // namespace

void ConnectionOptions::clear() {
    close = keep_alive = upgrade = false;
    names.clear();
}

bool ConnectionOptions::names_field(std::string_view name) const {
    const auto same = [name](std::string_view option) { return equals_ignoring_case(option, name); };
    if (std::ranges::none_of(names, same)) return false;
    const KnownField field = known_field(name);
    return field != KnownField::host && field != KnownField::content_length && field != KnownField::cache_control;
}

bool RequestHead::is_for_this_hop(std::size_t index) const { return for_this_hop(fields, connection, index); }

bool ResponseHead::is_for_this_hop(std::size_t index) const { return for_this_hop(fields, connection, index); }

void RequestHead::clear() {
    method = target = {};
    form = TargetForm::origin;
    version = Version::http_1_1;
    fields.clear();
    connection.clear();
    body = {};
    keep_alive = expects_continue = unknown_expectation = upgrade_websocket = false;
}

void ResponseHead::clear() {
    status = 0;
    reason = {};
    version = Version::http_1_1;
    fields.clear();
    connection.clear();
    body = {};
    content_length.reset();
    keep_alive = upgrade_websocket = false;
}

}  // namespace sluice::http1
