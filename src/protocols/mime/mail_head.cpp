// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mail_head.h"

#include <algorithm>

#include "base/text.h"
#include "protocols/mime/charset.h"
#include "protocols/mime/encoded_word.h"
#include "protocols/mime/mail_addresses.h"

namespace sluice::mime {
namespace {

std::string text_of(std::string_view value, std::size_t most) {
    std::string out = decode_words(unfolded(value)).text;
    cut_utf8(out, most);
    return out;
}

std::string message_id(std::string_view value, std::size_t most) {
    std::string out = unfolded(value);
    if (const std::size_t open = out.find('<'); open != std::string::npos) out.erase(0, open + 1);
    out.resize(std::min({out.find('>'), out.find_first_of(" \t"), out.size()}));
    if (out.size() > most) out.resize(most);
    return to_utf8(out, {});
}

bool has_two(std::span<const HeaderField> fields, std::string_view name) {
    const HeaderField* first = nullptr;
    for (const HeaderField& field : fields) {
        if (field.name != name) continue;
        if (first != nullptr && first->value != field.value) return true;
        first = &field;
    }
    return false;
}

}  // namespace

void judge_head(std::span<const HeaderField> fields, MailOutput& output) {
    // Once each (RFC 5322 3.6): of two some show the first, others the last.
    for (const std::string_view name : {"from", "subject"})
        if (has_two(fields, name)) output.note(Ambiguity::duplicate_header);
    std::vector<std::string> from;
    std::vector<std::string> to;
    for (const HeaderField& field : fields) {
        const bool is_from = field.name == "from";
        if (!is_from && field.name != "to" && field.name != "cc") continue;
        if (!add_addresses(field.value, output.limits().mail_addresses, is_from ? from : to)) output.note(Ambiguity::too_many);
    }
}

MailHead mail_head(std::span<const HeaderField> fields, const Limits& limits) {
    MailHead out;
    bool has_subject = false;
    for (const HeaderField& field : fields) {
        if (field.name == "from") add_addresses(field.value, limits.mail_addresses, out.from);
        else if (field.name == "to" || field.name == "cc") add_addresses(field.value, limits.mail_addresses, out.to);
        else if (field.name == "message-id" && out.message_id.empty()) out.message_id = message_id(field.value, limits.mail_text);
        else if (field.name == "received") ++out.received;
        else if (field.name == "dkim-signature") out.is_signed = true;
        else if (field.name == "subject" && !has_subject) {
            out.subject = text_of(field.value, limits.mail_text);
            has_subject = true;
        }
    }
    return out;
}

}  // namespace sluice::mime
