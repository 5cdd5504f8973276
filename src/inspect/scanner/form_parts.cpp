// SPDX-License-Identifier: Apache-2.0
// A multipart object (a form, as a rule) is opened like an archive: each part is a member, called by its file name or its field's.
#include "base/text.h"
#include "inspect/scanner/archive_engine.h"
#include "protocols/mime/transfer_coding.h"

#include <optional>
#include <string>

namespace sluice::inspect {

namespace {

constexpr std::string_view engine_name = "archive";

// The data with its coding undone; nullopt: nobody here knows it.
std::optional<std::string> without_coding(std::string_view coding, const std::string& data) {
    if (coding.empty() || coding == "7bit" || coding == "8bit" || coding == "binary") return data;
    if (coding == "base64") return mime::decode_base64(data);
    if (coding == "quoted-printable") return mime::decode_quoted_printable(data);
    return std::nullopt;
}

}  // namespace

void ArchiveEngine::open_multipart(std::string_view object, const mime::MultipartType& type, std::string_view path, std::uint32_t depth) {
    using Kind = mime::MultipartParser::Piece::Kind;
    if (object.empty()) return;
    if (depth > plan_->limits.depth) return add(Outcome::unscannable(Reason::too_deep, engine_name));
    Limits limits;
    limits.form_parts = plan_->limits.members;
    mime::MultipartParser parser(type, limits);
    std::string_view bytes = object;
    std::string data;
    Outcome read = Outcome::clean();
    bool has_margin = false;
    // What stands before or behind the parts is read by no server that takes this for a form; one that does not takes the whole, and so does one for
    // which the form is none. The whole may be an archive then, with parts for its filling.
    const auto open_whole = [&] {
        if (!is_over() && !is_late()) open(object, path, depth, nullptr);
    };
    // Another reader may see parts that we do not.
    const auto refuse = [&] {
        open_whole();
        if (!is_over()) stop(Reason::undecodable, multipart_engine);
    };
    while (!is_over() && !is_late()) {
        const auto piece = parser.next(bytes);
        if (!piece) return refuse();
        switch (piece->kind) {
            case Kind::need_more: {
                const auto last = parser.finish();
                if (!last) return refuse();
                if (!last->empty() || has_margin) open_whole();
                return;
            }
            case Kind::part:
                if (!count_member()) return;
                data.clear();
                read = Outcome::clean();
                break;
            case Kind::data:
                if (read.verdict != Verdict::clean) break;
                if (data.size() + piece->data.size() <= plan_->limits.member_bytes) data += piece->data;
                else read = Outcome::unscannable(Reason::too_large, engine_name);
                break;
            case Kind::part_end: open_part(parser.part(), data, path, read, depth); break;
            case Kind::preamble:
            case Kind::epilogue: has_margin = true; break;
        }
    }
}

// Most servers take the data as they came, and some undo the coding: where these differ they are two members.
void ArchiveEngine::open_part(const mime::FormPart& part, const std::string& data, std::string_view path, Outcome read,
                              std::uint32_t depth) {
    Member member;
    member.depth = static_cast<std::uint16_t>(std::min<std::uint32_t>(depth, 0xffff));
    if (depth > 1) member.path.append(path).append("/");
    member.path += part.file_name.empty() ? part.name : part.file_name;
    const std::optional<std::string> decoded = without_coding(part.transfer_encoding, data);
    if (!decoded) read.add(Outcome::unscannable(Reason::undecodable, engine_name));
    member.outcome = read;
    look_at_member(data, member);
    open_inside(data, part, member.path, depth + 1);
    if (decoded && *decoded != data && !is_over() && !is_late() && count_member()) {
        member.outcome = read;
        look_at_member(*decoded, member);
        open_inside(*decoded, part, member.path, depth + 1);
    }
    // Some servers will take this name instead.
    if (part.other_file_name.empty() || !plan_->on_member || is_over() || !count_member()) return;
    member.path = part.other_file_name;
    plan_->on_member(member);
}

void ArchiveEngine::open_inside(std::string_view data, const mime::FormPart& part, std::string_view path, std::uint32_t depth) {
    if (is_over() || is_late()) return;
    if (!mime::is_multipart(part.content_type)) return open(data, path, depth, nullptr);
    const auto type = mime::multipart_type(part.content_type, Limits());
    if (type) return open_multipart(data, *type, path, depth);
    open(data, path, depth, nullptr);
    if (!is_over()) stop(Reason::undecodable, multipart_engine);
}

}  // namespace sluice::inspect
