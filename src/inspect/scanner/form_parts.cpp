// SPDX-License-Identifier: Apache-2.0
// A form (multipart/form-data) is opened like an archive: each part is a member, called by its file name or its field's.
#include "base/text.h"
#include "inspect/scanner/archive_engine.h"
#include "protocols/mime/multipart.h"
#include "protocols/mime/transfer_coding.h"

#include <optional>
#include <string>

namespace sluice::inspect {

namespace {

constexpr std::string_view engine_name = "archive";

Outcome unscannable(Reason reason) { return Outcome::unscannable(reason, engine_name); }

// Most servers take the data as they came, and some undo the coding: both are looked at, the data as bytes of the whole object.
Outcome undo_coding(std::string_view coding, std::string& data) {
    if (coding.empty() || coding == "7bit" || coding == "8bit" || coding == "binary") return Outcome::clean();
    if (coding == "base64") data = mime::decode_base64(data);
    else if (coding == "quoted-printable") data = mime::decode_quoted_printable(data);
    else return unscannable(Reason::undecodable);
    return Outcome::clean();
}

}  // namespace

void ArchiveEngine::open_form(std::string_view object) {
    using Kind = mime::MultipartParser::Piece::Kind;
    Limits limits;
    limits.form_parts = plan_->limits.members;
    mime::MultipartParser parser(plan_->form_boundary, limits);
    std::string_view bytes = object;
    std::string data;
    Outcome read = Outcome::clean();
    bool has_margin = false;
    const auto end_part = [&] {
        const mime::FormPart& part = parser.part();
        Member member;
        member.path = part.file_name.empty() ? part.name : part.file_name;
        member.outcome = read;
        const std::string as_it_came = part.transfer_encoding.empty() ? std::string() : data;
        member.outcome.add(undo_coding(part.transfer_encoding, data));
        look_at_member(data, member);
        if (!is_over() && !is_late()) open(data, member.path, 2, nullptr);
        if (!is_over() && !is_late() && !as_it_came.empty() && as_it_came != data) open(as_it_came, member.path, 2, nullptr);
        // Some servers will take this name instead.
        if (part.other_file_name.empty() || !plan_->on_member || is_over() || !count_member()) return;
        member.path = part.other_file_name;
        plan_->on_member(member);
    };
    // What stands before or behind the parts is read by no server that takes this for a form; one that does not takes the whole, and so does one for
    // which the form is none. The whole may be an archive then, with parts for its filling.
    const auto open_whole = [&] {
        if (!is_over() && !is_late()) open(object, {}, 1, nullptr);
    };
    while (!is_over() && !is_late()) {
        const auto piece = parser.next(bytes);
        if (!piece) {
            add(unscannable(piece.error().code == Errc::too_large ? Reason::too_large : Reason::corrupt));
            return open_whole();
        }
        switch (piece->kind) {
            case Kind::need_more: {
                const auto last = parser.finish();
                if (!last) add(unscannable(Reason::corrupt));
                if (!last || !last->empty() || has_margin) open_whole();
                return;
            }
            case Kind::part:
                if (!count_member()) return;
                data.clear();
                read = Outcome::clean();
                break;
            case Kind::data:
                if (data.size() + piece->data.size() > plan_->limits.member_bytes) read = unscannable(Reason::too_large);
                else data += piece->data;
                break;
            case Kind::part_end: end_part(); break;
            case Kind::preamble:
            case Kind::epilogue: has_margin = true; break;
        }
    }
}

}  // namespace sluice::inspect
