// SPDX-License-Identifier: Apache-2.0
// What the header section of a message or a part says of its content, in one reading. Whatever other readings make of it is noted.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "protocols/mime/header_section.h"
#include "protocols/mime/mail_output.h"

namespace sluice::mime {

enum class Coding : std::uint8_t { identity, base64, quoted_printable, uuencode };

struct Boundary {
    std::string text;  // without blanks at its end; empty: none is said
    std::string prefix;  // where it stands without quotes and needs them: what those take who end it there

    bool empty() const { return text.empty(); }
};

struct MailEntity {
    enum class Kind : std::uint8_t { leaf, multipart, message };

    Kind kind = Kind::leaf;
    std::string type = "text/plain";  // small letters
    Boundary boundary;
    Boundary other_boundary;  // one that is said where it counts for few: if it is met, readers differ
    std::vector<Coding> codings{Coding::identity};  // the first is what this reading takes
    std::vector<std::string> names;
    bool is_attachment = false;
};

// Where an entity stands.
enum class Place : std::uint8_t {
    message,  // its head is a message's
    part,
    digest,  // part of a multipart/digest, a message unless it says otherwise (RFC 2046 5.1.5)
};

MailEntity read_entity(std::span<const HeaderField> fields, Place place, MailOutput& output);

}  // namespace sluice::mime
