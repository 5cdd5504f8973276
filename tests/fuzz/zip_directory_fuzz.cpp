// SPDX-License-Identifier: Apache-2.0
// Where a zip is found: within the object, at an end record, and the next one in front of that; its plain directory begins within it.
#include "inspect/scanner/zip_directory.h"

#include <cstdlib>
#include <string>

using namespace sluice::inspect;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string object(reinterpret_cast<const char*>(data), size);
    (void)check_zip(object, 100);
    const auto zip = find_zip(object);
    const auto plain = plain_directory(object);
    if (plain) require(plain->at <= size);
    if (!zip) return 0;
    require(zip->begin <= zip->record && zip->record < zip->end && zip->end <= size);
    require(object.compare(zip->record, 4, "PK\x05\x06") == 0);
    const auto cut = find_zip(std::string_view(object).substr(0, zip->record));
    if (cut) require(cut->record < zip->record);
    return 0;
}
