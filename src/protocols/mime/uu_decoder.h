// SPDX-License-Identifier: Apache-2.0
// Lines of uuencode (POSIX.1), xxencode and yEnc undone; and which line begins a file within a text. Each is decoded by itself; whatever stands in it decodes to something.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sluice::mime {

// "begin 644 name", "begin-base64 644 name", "=ybegin line=128 size=3 name=a.bin" or "(This file must be converted with BinHex 4.0)".
struct EncodedFileBegin {
    enum class Kind { none, uuencode, base64, yenc, binhex };
    Kind kind = Kind::none;
    std::string_view name;
};
EncodedFileBegin encoded_file_begin(std::string_view line);

// Whether a line is one of them: what its first octet says of its length holds.
bool is_uu_line(std::string_view line);
bool is_xx_line(std::string_view line);

// Appends what the line says. Where a line is shorter than it says, blanks were cut from its end.
void decode_uu_line(std::string_view line, std::string& out);
void decode_xx_line(std::string_view line, std::string& out);

// A piece of a line; `is_escaped`: it begins behind a "=" (and says whether the next one does).
void decode_yenc(std::string_view text, bool& is_escaped, std::string& out);

}  // namespace sluice::mime
