// SPDX-License-Identifier: Apache-2.0
// A pattern to look for in payloads, as a signature file gives it (signature_file.h).
#pragma once

#include "base/source_text.h"

#include <cstdint>

namespace sluice::inspect {

struct Signature {
    enum class Kind : std::uint8_t {
        text,                // `pattern` holds the bytes themselves
        hex,                 // `pattern` holds pairs of lower-case digits, or "??" for any byte, without blanks
        regex,               // `pattern` holds a regular expression as it was written (regular_expression.h)
    };
    enum class Check : std::uint8_t { none, luhn };           // what a match must also fulfil
    enum class Effect : std::uint8_t { infected, match };     // what finding it means: a verdict, or only an entry of scan.match

    Text name;
    Kind kind = Kind::text;
    Text pattern;
    bool ignoring_case = false;                               // of ASCII letters
    Check check = Check::none;
    Effect effect = Effect::infected;
};

}  // namespace sluice::inspect
