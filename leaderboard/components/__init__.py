"""Components that Streamlit does not bring: each a folder with its Python face, HTML, CSS and JavaScript."""
