// SPDX-License-Identifier: Apache-2.0
// Files that stand within a text: uuencode, xxencode, yEnc, BinHex. Each becomes a part of its own, besides the text.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "protocols/mime/base64_decoder.h"
#include "protocols/mime/binhex_decoder.h"
#include "protocols/mime/mail_output.h"
#include "protocols/mime/uu_decoder.h"

namespace sluice::mime {

class PartContent;

class EmbeddedFiles {
public:
    static constexpr std::string_view pgp_message = "-----BEGIN PGP MESSAGE-----";

    // `depth`: parts that the text was found in. `is_alternative`: the text is. `output` outlives it.
    EmbeddedFiles(std::size_t depth, bool is_alternative, MailOutput& output);
    ~EmbeddedFiles();
    EmbeddedFiles(const EmbeddedFiles&) = delete;
    EmbeddedFiles& operator=(const EmbeddedFiles&) = delete;

    // The text is said to be BinHex: no line needs to say so.
    void expect_binhex();
    void feed(std::string_view text);
    void finish();

    bool has_files() const { return has_files_; }
    bool has_pgp_message() const { return has_pgp_message_; }  // a line that begins one

private:
    using Kind = EncodedFileBegin::Kind;

    bool is_of_interest(char first) const;
    void line(std::string_view line, bool is_first_piece);
    bool begins_file(std::string_view line);
    void file_line(std::string_view line);
    void binhex_line(std::string_view line);
    void open(std::unique_ptr<PartContent>& into, bool is_other);
    void end_file();

    std::size_t depth_;
    bool is_alternative_;
    MailOutput& output_;

    std::string line_;  // of which the end has not come
    bool is_line_start_ = true;
    bool is_skipped_ = false;  // the rest of this line
    bool is_first_piece_ = true;  // of this line

    bool has_files_ = false;
    bool has_pgp_message_ = false;
    Kind kind_ = Kind::none;  // of the file that is open
    std::string name_;
    bool has_lines_ = false;
    std::size_t other_lines_ = 0;  // which are none of it, before its first
    bool is_escaped_ = false;  // yEnc
    Base64Decoder base64_;
    std::unique_ptr<PartContent> file_;
    std::unique_ptr<PartContent> as_xx_;  // the same lines as xxencode
    std::optional<BinHexDecoder> binhex_;
    std::unique_ptr<PartContent> resource_fork_;  // of BinHex
    std::string decoded_;
    std::string of_resource_fork_;
};

}  // namespace sluice::mime
