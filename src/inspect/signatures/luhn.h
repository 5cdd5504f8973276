// SPDX-License-Identifier: Apache-2.0
// The check digit of card numbers and the like (ISO/IEC 7812-1, annex B): counted from the right, every second digit is doubled, and the sum of
// all the digits that then stand there is a multiple of 10.
#pragma once

#include <cstddef>
#include <string_view>

namespace sluice::inspect {

// The digits of `text`, with blanks and dashes between or around them: two at least, nothing else, and the check digit is right.
bool luhn_holds(std::string_view text);

// Whether a number with a right check digit ends `text`: of `fewest` to `most` digits, with blanks and dashes between. What stands behind its
// last digit is passed over. Where the number of digits is not given exactly, the number begins where no digit stands before.
bool luhn_ends(std::string_view text, std::size_t fewest, std::size_t most);

}  // namespace sluice::inspect
