// SPDX-License-Identifier: Apache-2.0
// An htpasswd file (`user:hash`, a line each; empty lines and those that begin with # are skipped). Hashes: bcrypt ($2a$ $2b$ $2y$), SHA-512
// and SHA-256 crypt ($6$ $5$), MD5 crypt ($1$), Apache's $apr1$ and {SHA}. Immutable.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/diagnostic.h"

namespace sluice::policy {

class UserFile {
public:
    // Null where `diagnostics` got an error: unreadable, or a line that is not a user and a hash of a known kind (with its number).
    static std::shared_ptr<const UserFile> load(const std::string& path, Diagnostics& diagnostics);
    static std::shared_ptr<const UserFile> parse(std::string_view text, const std::string& file_name, Diagnostics& diagnostics);

    // Slow by design (tens to hundreds of ms): never on a worker. Thread-safe. An unknown user costs the time of a known one.
    bool verify(std::string_view user, std::string_view password) const;
    bool has(std::string_view user) const { return hashes_.contains(std::string(user)); }
    std::size_t size() const { return hashes_.size(); }

private:
    std::unordered_map<std::string, std::string> hashes_;
    std::string decoy_;  // what unknown users are measured against: a hash of the file's costliest kind
};

}  // namespace sluice::policy
