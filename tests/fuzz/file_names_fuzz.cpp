// SPDX-License-Identifier: Apache-2.0
// Names of files: bounded, none twice, none with a folder; and one that keeps to the syntax is the first.
#include "protocols/mime/file_names.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "protocols/mime/parameters.h"

using namespace sluice;
using namespace sluice::mime;

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

void check(const std::vector<std::string>& names, std::size_t most) {
    require(names.size() <= most);
    for (auto each = names.begin(); each != names.end(); ++each)
        require(!each->empty() && each->find_first_of("/\\") == std::string::npos && std::find(names.begin(), each, *each) == each);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    Limits limits;
    limits.header_parameters = 4;
    check(file_names(text, limits), 4);
    check(file_names_of_path(text), 3);
    const std::vector<std::string> names = file_names(text, Limits());
    const auto strict = parse_with_parameters(text, Quoting::http, Limits());
    const Parameter* plain = strict ? strict->find("filename") : nullptr;
    if (plain == nullptr || strict->find("filename", true) != nullptr) return 0;
    const std::string wanted = plain->value.substr(plain->value.find_last_of("/\\") + 1);
    require(wanted.empty() || (!names.empty() && names.front() == wanted));
    return 0;
}
