// SPDX-License-Identifier: Apache-2.0
// Reading::sweep: a message without structure. Whatever looks like base64, quoted-printable or uuencode anywhere in it is decoded, so that no
// structure that some reader finds hides what is scanned.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "protocols/mime/leaf_reading.h"
#include "protocols/mime/line_pieces.h"
#include "protocols/mime/mail_output.h"
#include "protocols/mime/part_content.h"

namespace sluice::mime {

class Base64Run;

class MailSweep {
public:
    // `depth`: base64 that the octets came out of. `output` outlives it.
    MailSweep(std::size_t depth, MailOutput& output);
    ~MailSweep();
    MailSweep(const MailSweep&) = delete;
    MailSweep& operator=(const MailSweep&) = delete;

    void feed(std::string_view bytes);
    void finish();

private:
    void piece(std::string_view bytes);
    void lines(std::string_view bytes);
    void line_begins(std::string_view beginning);
    void line_ends(char at);

    LinePieces pieces_;
    std::unique_ptr<PartContent> whole_;  // as it is, with the files within; the outermost alone: the others have it as a part already
    LeafReading quoted_;  // as if all of it were quoted-printable
    std::unique_ptr<Base64Run> run_;  // lines of base64 that follow one another
    std::unique_ptr<Base64Run> block_;  // the same, ended by an empty line too: behind one a part's content begins
    std::string beginning_;  // of the current line, as long as it is too short to be judged
    bool is_judged_ = false;  // the current line
    bool is_base64_ = false;
    bool is_behind_cr_ = false;
};

}  // namespace sluice::mime
