// SPDX-License-Identifier: Apache-2.0
#include "protocols/mime/mail_entity.h"

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "protocols/mime/encoded_word.h"
#include "protocols/mime/mail_names.h"
#include "protocols/mime/mail_parameters.h"

namespace sluice::mime {
namespace {

constexpr std::size_t longest_boundary = 70;  // RFC 2046 5.1.1

class EntityReader {
public:
    EntityReader(std::span<const HeaderField> fields, Place place, MailOutput& output)
        : fields_(fields),
          place_(place),
          output_(output),
          reading_(output.reading()) {}

    MailEntity read();

private:
    std::vector<std::string_view> values(std::string_view name);
    std::string_view chosen(const std::vector<std::string_view>& values) const;
    void read_type();
    void read_boundary(const MailField& field);
    void judge_boundary(std::string_view boundary);
    void read_codings();
    void read_disposition();
    void judge_version();
    bool is_text() const { return entity_.type.starts_with("text/"); }

    std::span<const HeaderField> fields_;
    Place place_;
    MailOutput& output_;
    Reading reading_;
    MailEntity entity_;
    MailField type_field_;
};

// All of that name; that they differ is noted.
std::vector<std::string_view> EntityReader::values(std::string_view name) {
    std::vector<std::string_view> out;
    for (const HeaderField& field : fields_)
        if (field.name == name && !(field.is_odd && reading_ == Reading::strict)) out.push_back(field.value);
    const auto differs = [&](std::string_view value) { return value != out.front(); };
    if (out.size() > 1 && std::ranges::any_of(out, differs)) {
        output_.note(Ambiguity::duplicate_header, Reading::last_wins);
        if (out.size() > 2) output_.note(Ambiguity::duplicate_header, Reading::sweep);
    }
    return out;
}

std::string_view EntityReader::chosen(const std::vector<std::string_view>& values) const {
    if (values.empty()) return {};
    return reading_ == Reading::last_wins ? values.back() : values.front();
}

// Whether a field that is no multipart at its beginning speaks of one.
std::size_t container_within(std::string_view value) {
    const std::string small = lower(value);
    return std::min(small.find("multipart/"), small.find("message/"));
}

void EntityReader::read_type() {
    const auto said = values("content-type");
    // A type that cannot be parsed says as little as none does; others see a text there.
    const bool is_message_unless_said = place_ == Place::digest && (said.empty() || reading_ != Reading::strict);
    if (is_message_unless_said) entity_.type = "message/rfc822";
    std::string_view value = chosen(said);
    std::string decoded;
    if (value.contains("=?") && container_within(value) != 0) {
        DecodedWords words = decode_words(unfolded(value));
        if (words.has_words && container_within(words.text) == 0) {
            output_.note(Ambiguity::bad_encoded_word, Reading::last_wins);
            decoded = std::move(words.text);
            if (reading_ == Reading::last_wins) value = decoded;
        }
    }
    type_field_ = parse_mail_field(value, output_.limits());
    if (type_field_.is_odd && !value.empty()) {
        const std::size_t container = container_within(value);
        if (container != std::string_view::npos) {
            output_.note(Ambiguity::bad_content_type, Reading::last_wins, Reading::strict);
            output_.note(Ambiguity::bad_content_type, Reading::sweep);
            if (container > 0 && reading_ == Reading::last_wins) type_field_ = parse_mail_field(value.substr(container), output_.limits());
            if (reading_ == Reading::strict) type_field_ = {};
        } else if (!type_field_.value.starts_with("text") || type_field_.value.contains("/") != (type_field_.value.size() > 4)) {
            output_.note(Ambiguity::bad_content_type, Reading::last_wins, Reading::sweep);
        }
    }
    std::string& type = type_field_.value;
    // For some a main type is enough, whatever is behind it.
    const std::string_view main_type = std::string_view(type).substr(0, type.size() - (type.ends_with('/') ? 1 : 0));
    if (main_type == "multipart" || main_type == "message") {
        output_.note(Ambiguity::bad_content_type, Reading::last_wins);
        if (reading_ == Reading::last_wins) type = main_type == "multipart" ? "multipart/mixed" : "message/rfc822";
    }
    const bool is_type = type.find('/') != std::string::npos && type.front() != '/' && type.back() != '/';
    if (is_type) entity_.type = type;
    else if (place_ == Place::digest && !said.empty()) output_.note(Ambiguity::bad_content_type, Reading::strict, Reading::sweep);
    if (entity_.type.size() > output_.limits().mail_text) entity_.type.resize(output_.limits().mail_text);
    const std::string_view now = entity_.type;
    if (now.starts_with("multipart/")) entity_.kind = MailEntity::Kind::multipart;
    for (const std::string_view one : {"message/rfc822", "message/rfc2822", "message/global", "message/news"})
        if (now == one) entity_.kind = MailEntity::Kind::message;
    if (now == "message/partial" || now == "message/external-body") output_.note(Ambiguity::partial_message);
    read_boundary(type_field_);
}

void EntityReader::read_boundary(const MailField& field) {
    ParameterReadings said = field.find("boundary");
    if (entity_.kind != MailEntity::Kind::multipart) {
        if (!said.values.empty()) entity_.other_boundary = said.values.front();
        return;
    }
    if (said.values.size() > 1) {
        output_.note(Ambiguity::duplicate_parameter, Reading::last_wins);
        if (said.values.size() > 2) output_.note(Ambiguity::duplicate_parameter, Reading::sweep);
    }
    if (said.plain == 0 && !said.values.empty()) {
        output_.note(Ambiguity::bad_boundary, Reading::strict, Reading::sweep);
        if (reading_ == Reading::strict) said.values.clear();
    }
    if (said.values.empty() || said.values.front().empty()) {
        // Some take the first line that looks like one.
        output_.note(Ambiguity::bad_boundary, Reading::last_wins, Reading::sweep);
        return;
    }
    const bool takes_other = reading_ == Reading::last_wins;
    std::string boundary = takes_other ? said.values.back() : said.values.front();
    const MailParameter& parameter = *std::ranges::find(field.parameters, "boundary", &MailParameter::name);
    if (parameter.is_odd || !parameter.raw.empty() || parameter.is_folded) {
        output_.note(Ambiguity::bad_boundary, Reading::last_wins, Reading::sweep);
        if (takes_other && said.values.size() == 1 && !parameter.raw.empty()) boundary = parameter.raw;
        if (takes_other && parameter.is_folded) std::erase_if(boundary, [](char c) { return c == ' ' || c == '\t'; });
    }
    judge_boundary(boundary);
    if (takes_other) {
        if (const DecodedWords words = decode_words(boundary); words.has_words) boundary = words.text;
        boundary = trim(boundary);
        if (boundary.size() > longest_boundary) boundary.resize(longest_boundary);
    }
    boundary.resize(std::min(boundary.size(), output_.limits().mail_text / 2));
    entity_.boundary = boundary.substr(0, boundary.find_last_not_of(" \t") + 1);
}

void EntityReader::judge_boundary(std::string_view boundary) {
    const auto is_bad = [](char c) {
        return c == '\\' || c == '"' || c == ';' || static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7f;
    };
    if (trim(boundary).size() != boundary.size() || boundary.size() > longest_boundary || std::ranges::any_of(boundary, is_bad))
        output_.note(Ambiguity::bad_boundary, Reading::last_wins, Reading::sweep);
    if (boundary.contains("=?") && decode_words(boundary).has_words)
        output_.note(Ambiguity::bad_encoded_word, Reading::last_wins, Reading::sweep);
}

std::optional<Coding> coding_named(std::string_view name) {
    for (const std::string_view one : {"7bit", "8bit", "binary", ""})
        if (name == one) return Coding::identity;
    if (name == "base64") return Coding::base64;
    if (name == "quoted-printable") return Coding::quoted_printable;
    for (const std::string_view one : {"x-uuencode", "x-uue", "uuencode", "x-uu"})
        if (name == one) return Coding::uuencode;
    return std::nullopt;
}

void EntityReader::read_codings() {
    const auto said = values("content-transfer-encoding");
    if (said.empty()) return;
    std::vector<Coding> codings;
    bool is_odd = said.size() > 1 && std::ranges::any_of(said, [&](std::string_view one) { return one != said.front(); });
    const auto take = [&](std::string_view value) {
        const MailField field = parse_mail_field(value, output_.limits());
        const bool is_plain = equals_ignoring_case(field.value, value);
        const auto coding = coding_named(field.value);
        if (!is_plain || !coding) {
            output_.note(Ambiguity::bad_transfer_encoding, Reading::strict);
            is_odd = true;
        }
        codings.push_back(!coding || (!is_plain && reading_ == Reading::strict) ? Coding::identity : *coding);
    };
    for (const std::string_view value : said) take(value);
    if (reading_ == Reading::last_wins) std::ranges::reverse(codings);
    if (is_odd && reading_ != Reading::strict) codings.insert(codings.end(), {Coding::identity, Coding::base64, Coding::quoted_printable});
    entity_.codings.clear();
    for (const Coding one : codings)
        if (std::ranges::find(entity_.codings, one) == entity_.codings.end()) entity_.codings.push_back(one);
    if (entity_.kind == MailEntity::Kind::leaf) return;
    // RFC 2045 6.4: neither may be encoded. Readers undo it for messages, mostly, and not for multiparts.
    if (entity_.codings.front() != Coding::identity || is_odd)
        output_.note(Ambiguity::bad_transfer_encoding, Reading::last_wins, Reading::sweep);
    const bool undoes = (entity_.kind == MailEntity::Kind::message) == (reading_ == Reading::usual);
    if (!undoes || reading_ == Reading::strict) entity_.codings = {Coding::identity};
}

// As it stands between its quotes, but for those that a backslash makes plain.
std::string unquoted(std::string_view raw) {
    if (raw.starts_with('"')) raw = raw.substr(1, raw.rfind('"') - 1);  // an open one: all
    std::string out;
    for (std::size_t i = 0; i < raw.size(); ++i) {
        if (raw[i] == '\\' && i + 1 < raw.size() && (raw[i + 1] == '"' || raw[i + 1] == '\\')) ++i;
        out += raw[i];
    }
    return out;
}

void EntityReader::read_disposition() {
    MailNames names(output_.limits().header_parameters, output_.limits().mail_text);
    const auto add = [&](const MailField& field, std::string_view parameter) {
        const ParameterReadings found = field.find(parameter);
        bool is_good = !found.is_broken;
        // RFC 2231's is preferred.
        for (std::size_t i = found.plain; i < found.values.size(); ++i) is_good &= names.add(found.values[i]);
        // Of a path with backslashes nobody's last segment loses them, whatever the grammar says of "\t".
        for (const MailParameter& one : field.parameters)
            if (one.name == parameter && one.raw.contains('\\')) is_good &= names.add(unquoted(one.raw));
        for (std::size_t i = 0; i < found.plain; ++i) is_good &= names.add(found.values[i]);
        for (const MailParameter& one : field.parameters)
            if (one.name == parameter && !one.raw.empty()) names.add(unquoted(one.raw));
        if (!is_good) output_.note(Ambiguity::bad_encoded_word);
        if (found.is_duplicate) output_.note(Ambiguity::duplicate_parameter);
    };
    const auto dispositions = values("content-disposition");
    bool is_inline = false;
    for (const std::string_view value : dispositions) {
        const MailField field = parse_mail_field(value, output_.limits());
        add(field, "filename");
        add(field, "name");
        entity_.is_attachment |= field.value == "attachment";
        is_inline |= field.value == "inline";
    }
    for (const std::string_view value : values("content-type")) {
        const MailField field = parse_mail_field(value, output_.limits());
        add(field, "name");
        add(field, "filename");
    }
    entity_.names = names.names();
    const bool is_shown = is_text() || entity_.kind == MailEntity::Kind::multipart || (is_inline && place_ != Place::message);
    if (!entity_.names.empty() || !is_shown) entity_.is_attachment = true;
}

void EntityReader::judge_version() {
    if (place_ != Place::message || std::ranges::find(fields_, "mime-version", &HeaderField::name) != fields_.end()) return;
    const bool is_mime = entity_.kind != MailEntity::Kind::leaf || entity_.codings != std::vector{Coding::identity};
    if (!is_mime) return;
    output_.note(Ambiguity::no_mime_version, Reading::strict);
    if (reading_ == Reading::strict) entity_ = {};
}

MailEntity EntityReader::read() {
    read_type();
    read_codings();
    read_disposition();
    judge_version();
    return std::move(entity_);
}

}  // namespace

MailEntity read_entity(std::span<const HeaderField> fields, Place place, MailOutput& output) {
    return EntityReader(fields, place, output).read();
}

}  // namespace sluice::mime
