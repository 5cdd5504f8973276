// SPDX-License-Identifier: Apache-2.0
// What the process may do, given up in sight: once the listeners are bound, nothing needs root.
#pragma once

#include <sys/types.h>
#include <cstddef>
#include <expected>
#include <optional>
#include <string>

namespace sluice::app {

struct UserIds {
    uid_t uid;
    gid_t gid;
};

// The user's ids, or what is wrong, for a person.
std::expected<UserIds, std::string> find_user(const std::string& name);

// Groups, gid and uid become the user's for good, and that is verified: an error means that the process must not go on.
std::expected<void, std::string> become(const std::string& name, const UserIds& ids);

// No program that is executed from here on gains privileges (setuid bits, file capabilities).
void forbid_new_privileges();

// Raises RLIMIT_NOFILE to its hard limit; the number of descriptors there may be then.
std::size_t raise_descriptor_limit();

// Connections that so many descriptors are enough for: two each, and a reserve for everything else.
std::size_t connections_for(std::size_t descriptors, std::size_t workers);

}  // namespace sluice::app
