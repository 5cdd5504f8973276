// SPDX-License-Identifier: Apache-2.0
#include "policy/registered_domain.h"

#include <array>
#include <cstring>

#include <libpsl.h>

#include "base/ip.h"

namespace sluice::policy {

std::string_view registered_domain(std::string_view name) {
    std::array<char, 256> copy;                          // libpsl wants an end; names have at most 253 bytes (RFC 1035 2.3.4)
    if (name.empty() || name.size() >= copy.size() || name.contains('\0') || name.starts_with('.') || name.contains("..")) return {};
    if (name.contains(':') || IpAddress::parse(name)) return {};
    std::memcpy(copy.data(), name.data(), name.size());
    copy[name.size()] = '\0';
    const psl_ctx_t* const list = psl_builtin();
    if (list == nullptr) return {};
    const char* const found = psl_registrable_domain(list, copy.data());
    if (found == nullptr) return {};
    return name.substr(static_cast<std::size_t>(found - copy.data()));
}

}  // namespace sluice::policy
