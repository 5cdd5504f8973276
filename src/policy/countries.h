// SPDX-License-Identifier: Apache-2.0
// The country of an address, by a MaxMind DB (maxmind.github.io/MaxMind-DB, version 2) that has `country.iso_code`. Read whole at load, so
// that nothing reads a file later on, and that a file which is overwritten harms nobody. Immutable, thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/ip.h"
#include "base/result.h"

namespace sluice::policy {

class Countries {
public:
    // Errors are ours: unreadable (io_failed, with the errno), no such database (malformed).
    static Result<std::shared_ptr<const Countries>> load(const std::string& path);
    ~Countries();
    Countries(const Countries&) = delete;
    Countries& operator=(const Countries&) = delete;

    // ISO 3166-1 alpha-2, as the database has it ("DE"); lives as long as this object. Empty: not known. `address` unmapped.
    std::string_view of(const IpAddress& address) const;

private:
    struct Database;
    explicit Countries(std::unique_ptr<Database> database);
    std::unique_ptr<Database> database_;
};

}  // namespace sluice::policy
