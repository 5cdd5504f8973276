// SPDX-License-Identifier: Apache-2.0
// Signature files: nothing may crash, faults point into the file, and what is taken keeps its bounds. Vectorscan is left out: what it compiles is
// an administrator's, and some of it takes seconds.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/text.h"
#include "inspect/signatures/luhn.h"
#include "inspect/signatures/regular_expression.h"
#include "inspect/signatures/signature_file.h"

namespace {

void require(bool holds) {
    if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sluice;
    using namespace sluice::inspect;
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const Limits limits;
    Diagnostics faults;
    const auto signatures = parse_signature_file("fuzz", std::string(text), limits, faults);
    const std::size_t lines = split(text, '\n').size();
    for (const Diagnostic& fault : faults) require(!fault.message.empty() && fault.place.line <= lines + 1 && !to_string(fault).empty());
    for (const Signature& signature : signatures) {
        require(!signature.name.value.empty() && signature.name.value.size() <= limits.signature_name);
        require(!signature.pattern.value.empty());
        if (signature.kind != Signature::Kind::regex) continue;
        const auto parsed = parse_regular_expression(signature.pattern.value, signature.ignoring_case, limits);
        require(parsed && parsed->shortest > 0 && parsed->shortest <= parsed->longest && parsed->fewest_digits <= parsed->most_digits);
        require(std::isfinite(parsed->bits) && parsed->bits >= limits.signature_bits);
        require(signature.check == Signature::Check::none || parsed->longest <= limits.checked_match);
    }
    // The whole input once more as an expression, and as a text with a number in it.
    const auto parsed = parse_regular_expression(text, size % 2 == 0, limits);
    require(parsed ? !parsed->vectorscan.empty() : parsed.error().position <= size && !parsed.error().message.empty());
    require(!luhn_holds(text) || luhn_ends(text, 2, size));
    return 0;
}
